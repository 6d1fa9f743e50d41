"""What a caller may fix about its own answer through ``x-sim-*`` headers; tests and replays use them."""

from collections.abc import Mapping

from msgspec import Struct


class BadSteering(ValueError):
    """An ``x-sim-*`` header that cannot be followed."""


class Steering(Struct, frozen=True):
    """The wishes of one request; ``None`` leaves the matter to the simulator."""

    fault: str | None = None
    input_tokens: int | None = None
    """Tokens the prompt is counted as."""
    cached_tokens: int | None = None
    """How many of those are counted as read from the prompt cache."""
    output_tokens: int | None = None
    """All tokens of a prose answer, reasoning included."""
    reasoning_tokens: int | None = None
    """Reasoning among the output tokens."""
    latency_ms: float | None = None
    """Time to the first byte; the rest follows without a pause."""


def steering_of(headers: Mapping[str, str]) -> Steering:
    """Read the ``x-sim-*`` headers; raises BadSteering for a value that is not a whole number."""
    wished = {name[6:]: value for name, value in headers.items() if name.startswith("x-sim-")}
    if not wished:
        return _NOTHING
    latency = _number(wished, "latency-ms")
    return Steering(
        fault=wished.get("fault"),
        input_tokens=_number(wished, "input-tokens"),
        cached_tokens=_number(wished, "cached-tokens"),
        output_tokens=_number(wished, "output-tokens"),
        reasoning_tokens=_number(wished, "reasoning-tokens"),
        latency_ms=None if latency is None else float(latency),
    )


_NOTHING = Steering()


def _number(wished: Mapping[str, str], name: str) -> int | None:
    text = wished.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise BadSteering(f"x-sim-{name} must be a whole number, got {text!r}")
    return int(text)
