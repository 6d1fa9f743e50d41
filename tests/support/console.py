"""A gateway with its console and a real ledger process on one data folder, filled through a real spool."""

import http.client
import json
import shutil
from pathlib import Path
from typing import Self

from msgspec import Struct

from bursar.catalog.compiled import keep_snapshot, packaged_path, prices_dir
from bursar.catalog.sheet import Sheet
from bursar.catalog.snapshot import Match
from bursar.clock import SystemClock
from bursar.config import Budget, KeyGrant
from bursar.control.state import ControlState
from bursar.control.values import Author, NewSecret
from bursar.events import CallFacts, Outcome, PriceStatus, Principal, Record, Settled, Timings, UsageStatus
from bursar.gateway.state import Gateway
from bursar.ledger.client import SocketClient
from bursar.ledger.layout import Layout
from bursar.ledger.process import LedgerProcess
from bursar.ledger.spool import Spool
from bursar.money import Pico
from bursar.price import CostLine, Rate
from bursar.usage import Meter
from support.cards import make_card
from support.gateway import GatewayThread
from support.ledger_records import SETTINGS, corrected, facts, opened, settled

CONFIG = '[[providers]]\nname = "openai"\ndialect = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'

HOSTILE = "<script>alert(1)</script>"

OLD_CARD = make_card("small")


class Answer(Struct):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self):
        return json.loads(self.text)


class RunningConsole:
    """A context manager; `put` writes rows, `get` asks the console."""

    def __init__(
        self,
        folder: Path,
        *,
        config: str = CONFIG,
        environ: dict[str, str] | None = None,
        has_ledger: bool = True,
        prices: Path | None = None,
    ) -> None:
        """``prices`` is a data folder whose compiled price list is taken, which saves a second."""
        self.folder = folder
        self.now_us = SystemClock().now_us()
        self._thread = GatewayThread(config, folder, environ=environ)
        self._has_ledger = has_ledger
        if prices is not None:
            prices_dir(folder).mkdir()
            shutil.copy(packaged_path(prices), packaged_path(folder))
        self._process: LedgerProcess | None = None

    def __enter__(self) -> Self:
        self._thread.__enter__()
        self._spool = Spool(Layout(self.folder).spool, "test", max_bytes=1 << 26)
        if self._has_ledger:
            self._process = LedgerProcess(self.folder, SETTINGS)
        self.ledger = SocketClient(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.__exit__(None, None, None)
        self._spool.close()
        if self._process is not None:
            self._process.stop()

    @property
    def url(self) -> str:
        return self._thread.url

    @property
    def port(self) -> int:
        return self._thread.port

    @property
    def gateway(self) -> Gateway:
        return self._thread.gateway

    @property
    def control(self) -> ControlState:
        return self._thread.control.state

    @property
    def card(self) -> str:
        """A card of the catalog in force."""
        found = self._thread.gateway.snapshot.catalog.resolve("openai", "gpt-5-mini", at_us=self.now_us)
        assert isinstance(found, Match)
        return found.card.id

    def put(self, *records: Record) -> None:
        """Write records as a gateway worker does."""
        for record in records:
            self._spool.append(record)

    def get(
        self,
        path: str,
        *,
        host: str | None = "127.0.0.1",
        method: str = "GET",
        body: bytes = b"",
        token: str | None = None,
    ) -> Answer:
        """Ask the console; ``host`` is what the Host header says, ``token`` what the Authorization header does."""
        connection = http.client.HTTPConnection("127.0.0.1", self._thread.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True)
            if host is not None:
                connection.putheader("host", host)
            if token is not None:
                connection.putheader("authorization", f"Bearer {token}")
            if body:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read().decode())
        finally:
            connection.close()

    def facts(self, call: int, attempt: int = 1, *, team: str = "search", **changes: object) -> CallFacts:
        """Facts of a call made a moment ago."""
        values = {"at_us": self.now_us + call * 1000, "principal": Principal("acme", team, "site", "key-1")}
        return facts(call, attempt, **{**values, **changes})

    def settled(self, call: int, attempt: int = 1, *, team: str = "search", **changes: object) -> Settled:
        """A priced success of a moment ago."""
        about = changes.pop("about", None) or self.facts(call, attempt, team=team)
        return settled(about=about, **changes)


def fill(console: RunningConsole) -> None:
    """One call of every kind, and a virtual key and a budget that were made."""
    author = Author("ana", console.now_us)
    grant = KeyGrant(name="clerk", team="books")
    console.control.keys.create(grant, NewSecret(digest=b"k" * 32, last4="k123"), author)
    console.control.budgets.create(Budget(name="clerk", match={"team": "books"}, limit_usd="5"), author)
    keep_snapshot(console.folder, Sheet(cards=(OLD_CARD,)))
    console.put(
        priced_call(console),
        console.settled(2, model="house-model", price_status=PriceStatus.UNPRICED, cost=None, card=None, lines=()),
        failed_call(console, 3),
        failed_call(console, 4),
        console.settled(4, 2, card=OLD_CARD.id),
        hostile_call(console),
        console.settled(6, usage_status=UsageStatus.ESTIMATED, outcome=Outcome.HANGUP),
        opened(7, at_us=console.now_us),
        console.settled(8, price_status=PriceStatus.FREE, cost=Pico(0), lines=()),
        console.settled(9, price_status=PriceStatus.UNPRICED, cost=None, card=None, lines=()),
        corrected(9, cost=700, delta=700),
    )


def priced_call(console: RunningConsole) -> Settled:
    """Call 1: $1.234567 on a card of the catalog in force."""
    lines = (
        CostLine(int(Meter.INPUT_TEXT), 4_938_000, Rate(250_000), 1_234_500_000_000),
        CostLine(int(Meter.OUTPUT_TEXT), 67, Rate(1_000_000), 67_000_000),
    )
    return console.settled(
        1,
        usage=tuple((line.meter, line.quantity) for line in lines),
        cost=Pico(1_234_567_000_000),
        card=console.card,
        lines=lines,
        timings=Timings(2_000, 252_000, 1_252_000, 1_253_000),
    )


def failed_call(console: RunningConsole, call: int) -> Settled:
    """An attempt that the provider answered with an error."""
    return console.settled(
        call,
        team="ops",
        outcome=Outcome.ERROR,
        status=500,
        error="server_error",
        model=None,
        usage=(),
        usage_status=UsageStatus.NONE,
        raw_usage=None,
        price_status=PriceStatus.NOT_BILLED,
        cost=Pico(0),
        card=None,
        lines=(),
    )


def hostile_call(console: RunningConsole) -> Settled:
    """Call 5: a caller and a provider who write markup wherever they may."""
    about = console.facts(5, team=HOSTILE, tags=(("agent", HOSTILE), ("feature", '"><img src=x onerror=alert(1)>')))
    return console.settled(
        5,
        about=about,
        model=HOSTILE,
        response_id="resp'\"><b>",
        raw_usage=f'{{"x":"</code>{HOSTILE}"}}',
        decisions=(HOSTILE,),
        card=f"openai/{HOSTILE}#1",
    )
