"""How fast agent runs of each type used to spend, so that one that runs away stands out.

The velocity of a type is the 95th percentile of what one of its runs spent in five minutes, over the last seven days
and only over the five minutes in which it spent anything. A type needs an hour of such parts, from whichever runs, to
have a history. Every worker asks the ledger for itself, every ten minutes, where a rule wants to know.
"""

from collections.abc import Callable, Mapping
from typing import Final

from bursar.clock import US_PER_S, Clock
from bursar.ledger.questions import VelocitiesQuestion
from bursar.notify.usage import Ledger
from bursar.policy.runs import VELOCITY_SPAN_US

SINCE_US: Final = 7 * 24 * 3600 * US_PER_S

PERCENT: Final = 95

AT_LEAST: Final = 12
"""Parts of five minutes."""

EVERY_US: Final = 600 * US_PER_S


class Histories:
    """Keeps the velocities up to date. `look` is meant to run every few seconds; raises LedgerUnavailable."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        *,
        is_wanted: Callable[[], bool],
        renew: Callable[[Mapping[str, int]], None],
    ) -> None:
        """``is_wanted`` says whether any rule judges velocities; ``renew`` takes them, picodollars by task type."""
        self._ledger: Final = ledger
        self._clock: Final = clock
        self._is_wanted: Final = is_wanted
        self._renew: Final = renew
        self._due_us = 0

    async def look(self) -> None:
        """Ask the ledger when it is time."""
        if self._clock.monotonic_us() < self._due_us or not self._is_wanted():
            return
        answer = await self._ledger.ask(
            VelocitiesQuestion(
                since_us=self._clock.now_us() - SINCE_US, part_us=VELOCITY_SPAN_US, percent=PERCENT, at_least=AT_LEAST
            )
        )
        self._renew({one.task_type: one.pico for one in answer.rows})
        self._due_us = self._clock.monotonic_us() + EVERY_US
