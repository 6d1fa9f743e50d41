"""Stopping a stream where its hold ends, for budgets that would rather have the beginning of an answer than none.

Providers report usage last, so what a stream has cost so far is an estimate from what was seen (`dialects.estimate`):
text that is not shown, such as hidden reasoning, is not in it. Where that matters, `when_short = "shrink"` sets a cap
that the provider itself keeps.
"""

from typing import Final

from bursar.catalog.snapshot import Catalog
from bursar.dialects.base import Tap
from bursar.events import CallFacts, Timings
from bursar.gateway.settle import price
from bursar.gateway.targets import Target

_LOOK_EVERY_BYTES: Final = 2048
"""Some ten events: a look costs as much as reading a short answer."""

_AHEAD: Final = 0.9
"""Share of its hold at which a stream is stopped: the provider goes on for a moment, and estimates are estimates."""


class Stopper:
    """Watches one stream's estimated cost against its hold."""

    __slots__ = ("_catalog", "_facts", "_limit", "_seen", "_target", "is_stopping")

    def __init__(self, facts: CallFacts, hold: int, *, target: Target, catalog: Catalog) -> None:
        """``hold`` is in picodollars."""
        self._facts = facts
        self._limit = int(hold * _AHEAD)
        self._target = target
        self._catalog = catalog
        self._seen = 0
        self.is_stopping = False
        """The end was reached, inside an event that is still to be forwarded."""

    def ending(self, tap: Tap, size: int) -> bytes | None:
        """After ``size`` more bytes of the stream: what ends it here, or ``None`` to go on."""
        if not self.is_stopping:
            self._seen += size
            if self._seen < _LOOK_EVERY_BYTES:
                return None
            self._seen = 0
            charge = price(self._facts, tap.seen(), Timings(), target=self._target, catalog=self._catalog)
            if charge.cost is None or charge.cost < self._limit:
                return None
            self.is_stopping = True
        return tap.stop()
