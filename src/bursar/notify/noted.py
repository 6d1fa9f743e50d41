"""What one worker's calls leave for its alerts: an append on the path, a look every second.

Bounded: what is not looked at in time is forgotten, oldest first. An account that is forgotten is noted again by its
next settlement.
"""

from collections import deque
from collections.abc import Iterable
from itertools import chain
from typing import Final

from msgspec import Struct

from bursar.errors import Refusal
from bursar.events import CallFacts
from bursar.policy.gates import Gate
from bursar.policy.runs import scope_of

MOST_NOTED: Final = 16_384

ALERTING: Final = frozenset(("budget_exceeded", "task_budget_exceeded", "run_limit"))
"""Codes of refusals that somebody should know of."""


class Refused(Struct, frozen=True):
    """A request that a budget or its run's limits refused."""

    code: str
    message: str
    at_us: int
    gates: tuple[Gate, ...] = ()
    """Those without room; empty where the request itself was too deep or asked for too much."""
    run: str | None = None
    """The id of its run."""
    run_type: str | None = None
    scope: str = ""
    """Whose run it is."""


class Noted:
    """Settled and refused requests since the last look."""

    __slots__ = ("refused", "settled")

    def __init__(self) -> None:
        self.settled: Final[deque[tuple[Gate, ...]]] = deque(maxlen=MOST_NOTED)
        """The gates of each settled attempt; to be appended to."""
        self.refused: Final[deque[Refused]] = deque(maxlen=MOST_NOTED)

    def refuse(self, refusal: Refusal, facts: CallFacts, gates: tuple[Gate, ...]) -> None:
        """Note a refusal whose code is one of `ALERTING`; ``gates`` are those without room."""
        self.refused.append(
            Refused(
                code=refusal.code,
                message=refusal.message,
                at_us=facts.at_us,
                gates=gates,
                run=facts.task,
                run_type=facts.task_type,
                scope=scope_of(facts.principal),
            )
        )

    def take_settled(self) -> Iterable[Gate]:
        """The gates that were settled, each once, a newer gate of an account after an older one.

        Requests share gates, so ten thousand settlements of twenty gates each shrink to a few in a millisecond or two.
        """
        taken = dict.fromkeys(chain.from_iterable(self.settled))
        self.settled.clear()
        return taken

    def take_refused(self) -> list[Refused]:
        """What was refused, oldest first."""
        taken = list(self.refused)
        self.refused.clear()
        return taken
