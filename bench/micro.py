"""What the parts of a call cost, in microseconds each, and a whole call through the gateway without a socket.

    python bench/micro.py [--repeats N]

Each figure is the least of several repeats: what the code costs when nothing else disturbs it. The whole call is the
gateway's own protocol, pipeline, settlement and spool between two transports that do nothing, so it is what Bursar adds
in Python; system calls, the event loop and TLS come on top and are measured by `run.py`. The lines about rules are
matching, deciding, reserving in memory, remarking and settling together.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from timeit import Timer
from typing import Any, Final

import uvicorn
import uvloop

from bursar.catalog.snapshot import Match
from bursar.clock import SystemClock
from bursar.config import TagRule, Tags, parse_config
from bursar.counters.memory import MemoryBook, MemoryCounters
from bursar.dialects.base import Request
from bursar.events import Opened, Principal, Settled
from bursar.gateway.protocol import protocol_class
from bursar.gateway.routes import Route
from bursar.gateway.state import Gateway, Snapshot
from bursar.ledger.frames import encode
from bursar.ledger.spool import Spool
from bursar.policy.subject import facts_of
from bursar.policy.tag_rules import TagRules
from bursar.policy.tags import tag
from bursar.price import cost
from bursar.upstream import Exchange, UpstreamRequest
from bursar.upstream.framing import ResponseReader
from bursar.upstream.request import encode_head
from bursar.usage import Meter, usage_of
from bursar.wiring.build import build_snapshot
from guardrails import steps as guardrail_steps
from keys import key_steps
from measure import command, machine, versions
from payloads import MODEL, answer_body, answer_head, chat_body, event, request_bytes
from report import aligned

KEY: Final = "vk-bench-0123456789abcdef0123456789abcdef"
PATH: Final = "/v1/chat/completions"
CONFIG: Final = """
[[providers]]
name = "openai"
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
api_key = "env:PROVIDER"
[[keys]]
name = "bench"
key = "env:KEY"
organisation = "example"
[tags]
required = ["team", "feature"]
on_missing = "reject"
"""
TAG_HEADERS: Final = (("team", "search"), ("feature", "summaries"), ("environment", "production"))
USAGE: Final = usage_of({Meter.INPUT_TEXT: 500, Meter.CACHE_READ: 512, Meter.OUTPUT_TEXT: 96})
_REPEAT_S: Final = 0.001
AT_US: Final = 1_795_000_000_000_000

Work = Callable[[], object]


class NoTransport(asyncio.Transport):
    """Takes everything, sends nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written = data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is open."""


class ReadyClient:
    """Stands where the upstream client stands: writes the request's head and reads an answer that is there at once."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def send(self, request: UpstreamRequest, handler: Any) -> Exchange:
        exchange = Exchange(request, handler)
        exchange.head = encode_head(request, prefix=b"", host_lines=b"host: api.openai.com\r\n")
        handler.on_sent()
        reader = ResponseReader(request.method, 65536)
        body = reader.feed(self.answer)
        handler.on_head(reader.head.status, reader.head.headers)
        handler.on_body(body)
        handler.on_complete()
        return exchange


class Records:
    """Keeps the last record instead of writing it."""

    pending = 0

    def append(self, record: Opened | Settled) -> None:
        self.last = record


@contextmanager
def gateway_parts() -> Iterator[tuple[Snapshot, Spool]]:
    """A snapshot of the bench's configuration, and a spool on disk."""
    with tempfile.TemporaryDirectory(prefix="bursar-micro-") as folder:
        snapshot = build_snapshot(
            parse_config(CONFIG, source="bench"),
            data_dir=Path(folder),
            environ={"PROVIDER": "sk-bench", "KEY": KEY},
            clock=SystemClock(),
            simulator_url=None,
        )
        with Spool(Path(folder) / "spool", "bench", max_bytes=1 << 30) as spool:
            yield snapshot, spool


def parts_of(snapshot: Snapshot, spool: Spool) -> Iterator[tuple[str, Work]]:
    """Every step of a call that can be run alone."""
    catalog, keyring = snapshot.catalog, snapshot.keyring
    route = snapshot.routes.route("POST", PATH)
    dialect, endpoint = route.target.dialect, route.endpoint
    found = catalog.resolve("openai", MODEL, at_us=AT_US)
    if not isinstance(found, Match):
        raise TypeError(f"{MODEL} has no price: {found.reason}")
    card, principal = found.card, keyring.identify(KEY.encode()).principal
    body, answer = chat_body(), answer_body()
    request = dialect.read(endpoint, "application/json", body)
    opened, settled = records_of(snapshot)
    yield "cost function (3 meters)", lambda: cost(USAGE, card)
    yield "catalog.resolve", lambda: catalog.resolve("openai", MODEL, at_us=AT_US, credential="openai")
    yield "keyring.identify", lambda: keyring.identify(KEY.encode())
    yield "tag (3 headers)", lambda: tag(principal, defaults=(), body=(), headers=TAG_HEADERS)
    yield "tag rules (3 of 1,000 match)", tag_checker()
    yield "dialect.read (4.5 KB)", lambda: dialect.read(endpoint, "application/json", body)
    yield "read a 1 KB answer", lambda: read_answer(route, request, answer)
    yield "stream chunk through the tap", chunk_feeder(route, asks_usage=True)
    yield "same, usage chunk withheld", chunk_feeder(route, asks_usage=False)
    yield "frame an opened record", lambda: encode(opened)
    yield "frame a settled record", lambda: encode(settled)
    yield "spool.append (opened)", lambda: spool.append(opened)
    yield "spool.append (settled)", lambda: spool.append(settled)


def tag_checker() -> Work:
    """Asks which of three tags a request lacks, where a thousand teams have a rule each."""
    everybody = Tags(required=("feature", "environment"), patterns={"feature": "[a-z]+(-[a-z0-9]+)*"})
    teams = (TagRule(match={"team": f"t{number}"}, required=("user",)) for number in range(1000))
    rules = TagRules(everybody, [TagRule(match={"environment": "prod*"}, required=("use_case",)), *teams])
    tags = (("environment", "production"), ("feature", "search-answers"), ("use_case", "help"), ("user", "u-1"))

    def check() -> object:
        facts = facts_of(
            Principal(team="t7", key="bench"),
            tags,
            provider="openai",
            model=MODEL,
            dialect="openai",
            operation="chat.completions",
            task_type=None,
        )
        return rules.lacking(facts)

    if check() is not None:
        raise ValueError("the bench's request lacks a tag")
    return check


def read_answer(route: Route, request: Request, answer: bytes) -> object:
    tap = route.target.dialect.tap(route.endpoint, request, status=200, content_type="application/json", headers={})
    tap.feed(answer)
    return tap.finish(complete=True)


def chunk_feeder(route: Route, *, asks_usage: bool) -> Work:
    """Feeds one more chunk to the same stream, so that reading in batches is shared among chunks."""
    dialect, endpoint = route.target.dialect, route.endpoint
    request = dialect.read(endpoint, "application/json", chat_body(stream=True, chunks=9, asks_usage=asks_usage))
    tap = dialect.tap(endpoint, request, status=200, content_type="text/event-stream", headers={})
    chunk = event()
    return lambda: tap.feed(chunk)


def records_of(snapshot: Snapshot) -> tuple[Opened, Settled]:
    """The records of one call, as the gateway states them."""
    records = Records()
    whole_call(snapshot, records)
    if not isinstance(records.last, Settled):
        raise TypeError("the call did not end with a settled record")
    return Opened(records.last.facts), records.last


def whole_call(snapshot: Snapshot, recorder: Any) -> Work:
    """One more call on a connection that stays open."""
    answer = answer_body()
    client: Any = ReadyClient(answer_head("application/json", f"content-length: {len(answer)}") + answer)
    loop = asyncio.get_running_loop()
    gateway = Gateway(
        worker="w1-bench",
        snapshot=snapshot,
        recorder=recorder,
        client=client,
        counters=MemoryCounters(MemoryBook(lease_us=30_000_000), "w1-bench"),
        clock=SystemClock(),
        loop=loop,
    )
    config = uvicorn.Config(_no_app, log_config=None, ws="none", lifespan="off")
    config.load()
    protocol: Any = protocol_class(gateway)(config, uvicorn.server.ServerState(), {})
    transport = NoTransport()
    protocol.connection_made(transport)
    headers = (("authorization", f"Bearer {KEY}"),)
    request = request_bytes(path=PATH, host="localhost", headers=headers, body=chat_body())

    def call() -> None:
        protocol.data_received(request)

    call()
    if not transport.written.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the gateway refused: {transport.written.decode()}")
    return call


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError("only calls are measured here")


def least_us(work: Work, *, repeats: int) -> float:
    """Microseconds for one run, the least of several repeats of about a millisecond of CPU time each."""
    timer = Timer(work, timer=process_time)
    once_s = min(timer.repeat(20, 1))
    number = max(1, int(_REPEAT_S / once_s))
    return min(timer.repeat(repeats, number)) / number * 1e6


async def measure(repeats: int) -> list[list[str]]:
    rows = []
    with gateway_parts() as (snapshot, spool):
        for name, work in parts_of(snapshot, spool):
            rows.append([name, f"{least_us(work, repeats=repeats):.2f}"])
        for name, work in guardrail_steps():
            rows.append([name, f"{least_us(work, repeats=repeats):.2f}"])
        with key_steps() as steps:
            for name, work in steps:
                rows.append([name, f"{least_us(work, repeats=repeats):.2f}"])
        whole = whole_call(snapshot, spool)
        rows.append(["a whole call, no sockets", f"{least_us(whole, repeats=repeats):.1f}"])
        unspooled = whole_call(snapshot, Records())
        rows.append(["a whole call, no sockets, no spool", f"{least_us(unspooled, repeats=repeats):.1f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=300, metavar="N")
    options = parser.parse_args()
    print(machine(), versions(), command(), sep="\n", end="\n\n")
    print(aligned([["", "us"], *uvloop.run(measure(options.repeats))]))


if __name__ == "__main__":
    main()
