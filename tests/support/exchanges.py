"""A loopback provider that follows a script, and a handler that writes down what it is told."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from bursar.upstream import ClientSettings, Exchange, Failure, Fields, Origin, Timeouts, UpstreamClient, UpstreamRequest

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PATIENT = Timeouts(connect_s=20.0, first_byte_s=20.0, idle_s=20.0)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Recorder:
    """Writes down an exchange's callbacks; a second end, or anything after the end, fails the test."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.failure: Failure | None = None
        self.ended = asyncio.Event()
        self.sent = asyncio.Event()
        self.headed = asyncio.Event()
        self.bodied = asyncio.Event()

    @property
    def body(self) -> bytes:
        """What came of the body so far."""
        return b"".join(self.pieces)

    def on_sent(self) -> None:
        self._note("sent", self.sent)

    def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status, self.headers = status, headers
        self._note("head", self.headed)

    def on_body(self, data: bytes) -> None:
        assert data
        self.pieces.append(data)
        if self.events[-1] != "body":
            self._note("body", self.bodied)

    def on_complete(self) -> None:
        self._note("complete", self.ended)

    def on_failure(self, failure: Failure) -> None:
        self.failure = failure
        self._note(f"failure {failure.kind}", self.ended)

    def _note(self, event: str, flag: asyncio.Event) -> None:
        assert not self.ended.is_set(), f"{event} after the end: {self.events}"
        self.events.append(event)
        flag.set()


def request(origin: Origin, *, timeouts: Timeouts = PATIENT, **changes: Any) -> UpstreamRequest:
    """A small POST, changed as told."""
    fields: dict[str, Any] = {
        "method": b"POST",
        "target": b"/v1/chat/completions",
        "headers": ((b"authorization", b"Bearer secret"),),
        "body": b'{"model":"m"}',
    }
    fields |= changes
    fields["headers"] = Fields(fields["headers"])
    return UpstreamRequest(origin=origin, timeouts=timeouts, **fields)


def run(main: Callable[[], Coroutine[Any, Any, Any]], *, reports: int = 0) -> Any:
    """Run a test under uvloop; the loop's exception handler must be called exactly ``reports`` times."""
    contexts: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: contexts.append(context))
        result = runner.run(asyncio.wait_for(main(), 30))
    gc.collect()
    assert len(contexts) == reports, contexts
    return result


@asynccontextmanager
async def a_client(**settings: Any) -> AsyncIterator[UpstreamClient]:
    """A client that is closed at the end, with nothing left open."""
    client = UpstreamClient(asyncio.get_running_loop(), ClientSettings(**settings))
    try:
        yield client
    finally:
        await client.aclose()
        assert all(stats.open == 0 for stats in client.stats().values()), client.stats()


class Provider:
    """A listening loopback server; each connection runs the script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._tasks: set[asyncio.Task[Any]] = set()
        self.connections = 0
        self.port = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._script(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over; asyncio.start_server would report a cancelled task
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def a_provider(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", name: str | None = None
) -> AsyncIterator[tuple[Origin, Provider]]:
    """Serve a script on a free port; ``name`` is the host that clients are told."""
    provider = Provider(script)
    server = await asyncio.start_server(provider.accept, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Origin("https" if tls else "http", name or host, port), provider
    finally:
        server.close()
        await provider.stop()
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One request's head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head, await reader.readexactly(length)


def answering(*answers: bytes) -> Script:
    """A provider that answers each request of a connection with the next bytes, then closes."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return script


def always(answer: bytes = OK) -> Script:
    """A provider that answers every request alike and keeps the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    return script


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """A provider that takes a request and never answers."""
    await read_request(reader)
    await forever()


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until something that raises no event has happened; `run` bounds the wait."""
    while not is_so():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


async def fetch(client: UpstreamClient, wanted: UpstreamRequest) -> Recorder:
    """Send one request and wait for its end."""
    recorder = Recorder()
    client.send(wanted, recorder)
    await recorder.ended.wait()
    return recorder


def start(client: UpstreamClient, wanted: UpstreamRequest) -> tuple[Recorder, Exchange]:
    """Send one request without waiting."""
    recorder = Recorder()
    return recorder, client.send(wanted, recorder)
