"""A provider's own rate limits: while one asks for patience, nobody asks it again, and every other provider goes on.

Limits of providers are per credential and model, so that is what rests. Only a provider that says for how long is
rested, and never for longer than `LONGEST_S`; then one request finds out. Where callers use credentials of their own,
one caller's limit is not another's, and nothing rests.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from bursar.clock import US_PER_S
from bursar.errors import Refusal
from bursar.gateway.targets import Target

LONGEST_S: Final = 60.0

_SLOW_DOWN: Final = frozenset((429, 529))
"""529 is Anthropic's "overloaded" (docs, "Errors", read 2026-11)."""

_REMEMBERED: Final = 4096


class Cooling:
    """Which models of which providers rest, and until when."""

    __slots__ = ("_until_us",)

    def __init__(self) -> None:
        self._until_us: dict[tuple[str, str], int] = {}

    def heed(
        self,
        target: Target,
        model: str | None,
        status: int,
        headers: Mapping[bytes, bytes],
        *,
        now_us: int,
        wall_us: int,
    ) -> None:
        """Take note of an answer's head; ``now_us`` is monotonic, ``wall_us`` what dates are held against."""
        if status not in _SLOW_DOWN or not _is_shared(target):
            return
        wait_s = retry_after_s(headers, wall_us=wall_us)
        if wait_s is None or wait_s <= 0:
            return
        if len(self._until_us) >= _REMEMBERED:
            self._until_us.clear()
        self._until_us[target.name, model or ""] = now_us + int(min(wait_s, LONGEST_S) * US_PER_S)

    def check(self, target: Target, model: str | None, *, now_us: int) -> None:
        """Raise Refusal ``provider_rate_limited`` while a model rests."""
        if not self._until_us:
            return
        key = (target.name, model or "")
        until_us = self._until_us.get(key)
        if until_us is None:
            return
        left_us = until_us - now_us
        if left_us <= 0:
            del self._until_us[key]
            return
        wait_s = -(-left_us // US_PER_S)
        raise Refusal(
            "provider_rate_limited",
            f"Provider '{target.name}' asked for patience with {model or 'this route'}: its rate limit is used up. "
            f"Retry in {wait_s} s; other models and providers are not affected.",
            retry_after_s=wait_s,
        )

    def resting(self, *, now_us: int) -> list[tuple[str, str, float]]:
        """(provider, model, seconds left) of everything that rests."""
        return [(*key, (until - now_us) / US_PER_S) for key, until in self._until_us.items() if until > now_us]


def retry_after_s(headers: Mapping[bytes, bytes], *, wall_us: int) -> float | None:
    """How long a provider asks to wait: `retry-after-ms` (OpenAI, Azure), else `retry-after` in seconds or as a date
    (RFC 9110 §10.2.3); ``None`` when it does not say.
    """
    exact = headers.get(b"retry-after-ms")
    if exact is not None and exact.isdigit():
        return int(exact[:12]) / 1000
    value = headers.get(b"retry-after", b"").decode("latin-1").strip()
    if value.replace(".", "", 1).isdigit() and value.isascii():
        return float(value[:12])
    try:
        return parsedate_to_datetime(value).timestamp() - wall_us / US_PER_S
    except ValueError:
        return None


def _is_shared(target: Target) -> bool:
    return target.api_key is not None or target.sign is not None
