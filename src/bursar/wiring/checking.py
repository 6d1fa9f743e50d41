"""Looking at a request from the command line: by the running gateway or, without one, by what the ledger knows.

Without a gateway the same functions decide on counters that are seeded from the ledger: what calls in flight have
reserved is then not known, because there are none.
"""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from bursar.clock import Clock
from bursar.config import Config
from bursar.control.keybook import KeyBook
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.counters.protocol import Spot
from bursar.counters.rebuild import inquiries
from bursar.errors import GatewayUnavailable
from bursar.gateway.cooling import Cooling
from bursar.gateway.looking import Look, Outlook
from bursar.gateway.outlook import outlook_fields
from bursar.gateway.pipeline import Admission
from bursar.gateway.question import CheckQuestion, incoming_of
from bursar.gateway.seeded import Seeded
from bursar.gateway.state import Snapshot
from bursar.ledger.client import connect
from bursar.wiring.build import build_snapshot
from bursar.wiring.control import ControlLink
from bursar.wiring.running import RunningGateway

_NOWHERE = "http://127.0.0.1:9"
"""Address of a simulated provider that is not running; nothing is sent to it."""


class _Desk(Struct):
    """A station that takes no calls."""

    is_draining: bool = False
    cooling: Cooling = field(default_factory=Cooling)
    seeded: Seeded = field(default_factory=Seeded)


def check(
    asked: CheckQuestion, config: Config, data_dir: Path, *, environ: Mapping[str, str], clock: Clock
) -> tuple[dict[str, Any], bool]:
    """What would become of a request, and whether the running gateway said so.

    Raises ConfigError, NoSuchName, ControlUnavailable and LedgerUnavailable.
    """
    try:
        return RunningGateway(config, data_dir).ask("/check", asked), True
    except GatewayUnavailable:
        pass
    with closing(ControlLink(config, data_dir, clock)) as control:
        snapshot = build_snapshot(
            config, data_dir=data_dir, environ=environ, clock=clock, simulator_url=_NOWHERE, control=control
        )
        identity = None if asked.key is None else KeyBook(control.state.keys, config.keys).identity(asked.key)
        counters = _counters(snapshot, config, data_dir, clock)
        admission = Admission(incoming_of(asked, clock, peer=lambda: None), snapshot, identity)
        found: list[Outlook] = []
        Look(admission, _Desk(), counters, found.append).start(now_us=clock.monotonic_us())
        return outlook_fields(found[0]), False


def _counters(snapshot: Snapshot, config: Config, data_dir: Path, clock: Clock) -> MemoryCounters:
    """Counters that know what the ledger knows."""
    at_us = clock.now_us()
    spent: dict[Spot, int] = {}
    with closing(connect(data_dir, config.ledger, clock=clock)) as ledger:
        for inquiry in inquiries(snapshot.rules, at_us=at_us, began_us=at_us + 1, counted=lambda _: ()):
            for spot, amount in inquiry.spots(ledger.ask(inquiry.question).rows):
                spent[spot] = spent.get(spot, 0) + amount
    counters = MemoryCounters(MemoryBook(lease_us=1), "check")
    counters.seed(spent)
    return counters
