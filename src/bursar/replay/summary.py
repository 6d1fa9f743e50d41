"""What a replay came to: counts, tokens, money, errors, and the latency that the gateway added."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from bursar.money import format_usd

_PERCENT: Final = 100


class Outcome(Struct, frozen=True, kw_only=True):
    """One request's result."""

    error: str | None
    """``None`` on success, else ``http 429``, ``reset`` …"""
    input_tokens: int | None
    """``None`` when the answer did not say."""
    output_tokens: int | None
    cached_tokens: int
    cost_pico: int | None
    """``None`` when the gateway did not name a cost."""
    first_byte_s: float | None
    total_s: float
    added_s: float | None
    """Time to the answer's head beyond what the provider says it took itself; ``None`` when it does not say."""


class Percentiles(Struct, frozen=True):
    """Of a latency, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


class Summary(Struct, frozen=True, kw_only=True):
    """All of a replay, or as much as there was of it."""

    requests: int
    succeeded: int
    errors: dict[str, int]
    """By kind, most frequent first."""
    input_tokens: int
    """Sum of what answers reported."""
    output_tokens: int
    cached_tokens: int
    tokens_unknown: int
    """Answers that succeeded and reported no usage."""
    cost_usd: str | None
    """Sum of the costs that the gateway named; ``None`` when it named none."""
    cost_unknown: int
    """Answers that succeeded and for which it named none."""
    duration_s: float
    requests_per_s: float
    first_byte: Percentiles | None
    total: Percentiles | None
    added: Percentiles | None
    """The time to first byte beyond the provider's own: the gateway's share, and the queue of a saturated machine."""
    latest_start_s: float
    """The furthest that a request was sent after its time; large when the machine or the cap holds the replay back."""
    interrupted: bool


class Tally:
    """Adds up outcomes."""

    def __init__(self) -> None:
        self.sent = 0
        self.latest_start_s = 0.0
        self._outcomes: list[Outcome] = []

    @property
    def done(self) -> int:
        """How many outcomes there are."""
        return len(self._outcomes)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self._outcomes.append(outcome)

    def summary(self, *, duration_s: float, interrupted: bool) -> Summary:
        """Everything so far."""
        good = [one for one in self._outcomes if one.error is None]
        costs = [one.cost_pico for one in self._outcomes if one.cost_pico is not None]
        errors = Counter(one.error for one in self._outcomes if one.error is not None)
        return Summary(
            requests=self.done,
            succeeded=len(good),
            errors=dict(errors.most_common()),
            input_tokens=sum(one.input_tokens or 0 for one in good),
            output_tokens=sum(one.output_tokens or 0 for one in good),
            cached_tokens=sum(one.cached_tokens for one in good),
            tokens_unknown=sum(one.output_tokens is None for one in good),
            cost_usd=format_usd(sum(costs)) if costs else None,
            cost_unknown=sum(one.cost_pico is None for one in good),
            duration_s=round(duration_s, 3),
            requests_per_s=round(self.done / duration_s, 3) if duration_s else 0.0,
            first_byte=percentiles([one.first_byte_s for one in good if one.first_byte_s is not None]),
            total=percentiles([one.total_s for one in good]),
            added=percentiles([one.added_s for one in good if one.added_s is not None]),
            latest_start_s=round(self.latest_start_s, 3),
            interrupted=interrupted,
        )


def percentiles(seconds: Sequence[float]) -> Percentiles | None:
    """Nearest-rank percentiles of latencies; ``None`` without any."""
    if not seconds:
        return None
    ordered = sorted(seconds)

    def at(percent: int) -> float:
        rank = -(-len(ordered) * percent // _PERCENT)
        return round(ordered[rank - 1] * 1000, 3)

    return Percentiles(at(50), at(95), at(99))
