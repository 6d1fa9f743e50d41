"""Connections to a Redis or Valkey server: one that many commands share in order, and one that is waited for.

A client library gives every command a turn of its own on a connection from a pool: four to eight times the CPU of
writing commands as they come and reading the answers in the same order (35 and 9 us for one after the other, 37 and 4
with 32 at once; redis-py 8.1 with hiredis, 2026-11), and no order between them, which counting relies on.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import hiredis
from msgspec import Struct

from bursar.clock import US_PER_S
from bursar.errors import CountersUnavailable

Answer = Callable[[object], None]
"""Called with a command's answer, or with the exception that took its place."""

_PORT: Final = 6379
_RECEIVE_BYTES: Final = 65536

_GRACE_S: Final = 0.005
"""A loop that was busy sees its timers before the answers that came meanwhile; they get one more turn."""


class Address(Struct, frozen=True):
    """Where a server is and who we are there."""

    host: str = "localhost"
    port: int = _PORT
    path: str | None = None
    """A Unix socket, instead of host and port."""
    user: str | None = None
    password: str | None = None
    database: int = 0
    is_tls: bool = False

    @property
    def shown(self) -> str:
        """What messages may say of it."""
        return self.path if self.path is not None else f"{self.host}:{self.port}"


def parse_address(url: str) -> Address:
    """Read `redis://user:password@host:6379/0`, `rediss://` for TLS, or `unix:///path?db=0`.

    Raises ValueError, which does not repeat the password.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.replace("valkey", "redis")
    if scheme not in ("redis", "rediss", "unix"):
        raise ValueError("the address of a Redis server begins with redis://, rediss:// or unix://")
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if scheme == "unix":
        if not parts.path:
            raise ValueError("the address of a Redis server's socket is written like unix:///run/redis/redis.sock")
        database = _database(parse_qs(parts.query).get("db", ["0"])[0])
        return Address(path=unquote(parts.path), user=user, password=password, database=database)
    return Address(
        host=parts.hostname or "localhost",
        port=_port(parts),
        user=user,
        password=password,
        database=_database(parts.path.strip("/") or "0"),
        is_tls=scheme == "rediss",
    )


def _port(parts: SplitResult) -> int:
    try:
        return _PORT if parts.port is None else parts.port
    except ValueError:
        raise ValueError("the port of a Redis server is a number up to 65535") from None


def _database(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"the database of a Redis server is a number, not '{text}'")
    return int(text)


def _introduction(address: Address) -> list[tuple[str, ...]]:
    """The commands that make a connection ours."""
    commands: list[tuple[str, ...]] = []
    if address.password is not None:
        name = () if address.user is None else (address.user,)
        commands.append(("AUTH", *name, address.password))
    if address.database:
        commands.append(("SELECT", str(address.database)))
    return commands


class Link(asyncio.Protocol):
    """A connection on which commands are written at once and answered in order; made by `connect`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, timeout_s: float, on_lost: "Callable[[Link, str], None]"
    ) -> None:
        self._loop = loop
        self._timeout_s = timeout_s
        self._on_lost = on_lost
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[int, Answer]] = deque()
        """When each unanswered command was sent, and whom to tell."""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._is_finishing = False
        self._reason = "not connected"
        """Why there is no connection."""

    @property
    def is_open(self) -> bool:
        """Whether commands can be written."""
        return self._transport is not None

    def send(self, answer: Answer, *command: str | bytes | int) -> None:
        """Write a command; ``answer`` is called when its answer is there, or with what went wrong."""
        transport = self._transport
        if transport is None:
            answer(CountersUnavailable(self._reason))
            return
        self._waiting.append((self._now_us(), answer))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._look_at_time, False)
        transport.write(_packed(command))

    async def call(self, *command: str | bytes | int) -> object:
        """Write a command and wait for its answer; raises what went wrong."""
        future: asyncio.Future[object] = self._loop.create_future()

        def arrived(answer: object) -> None:
            if future.done():
                return
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        self.send(arrived, *command)
        return await future

    def lose(self, reason: str) -> None:
        """Give the connection up: whoever waits is told."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        self._reason = reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport.abort()
        waiting, self._waiting = self._waiting, deque()
        problem = CountersUnavailable(reason)
        for _, answer in waiting:
            answer(problem)
        self._on_lost(self, reason)

    def finish(self) -> None:
        """Close the connection once everything is answered, or the time for that is over."""
        self._is_finishing = True
        if not self._waiting:
            self.lose("it is done")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's do not inherit it

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                if not self._waiting:
                    self.lose("the server answered what nobody asked")
                    return
                self._waiting.popleft()[1](answer)
            if self._is_finishing and not self._waiting:
                self.lose("it is done")
        except hiredis.ProtocolError as problem:
            self.lose(f"the server does not speak the Redis protocol: {problem}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(f"the connection broke: {exc}" if exc else "the server closed the connection")

    def _look_at_time(self, is_late: bool) -> None:  # noqa: FBT001 - the argument of a timer
        self._timer = None
        if not self._waiting:
            return
        left_us = self._waiting[0][0] + int(self._timeout_s * US_PER_S) - self._now_us()
        if left_us > 0:
            self._timer = self._loop.call_later(left_us / US_PER_S, self._look_at_time, False)
        elif is_late:
            self.lose(f"no answer within {self._timeout_s:g} s")
        else:
            self._timer = self._loop.call_later(_GRACE_S, self._look_at_time, True)

    def _now_us(self) -> int:
        return int(self._loop.time() * US_PER_S)


async def connect(
    address: Address, loop: asyncio.AbstractEventLoop, *, timeout_s: float, on_lost: Callable[[Link, str], None]
) -> Link:
    """Open a connection that many commands share; raises OSError, CountersUnavailable or hiredis.ReplyError."""

    def make() -> Link:
        return Link(loop, timeout_s=timeout_s, on_lost=on_lost)

    async with asyncio.timeout(timeout_s):
        if address.path is not None:
            _, link = await loop.create_unix_connection(make, address.path)
        else:
            context = ssl.create_default_context() if address.is_tls else None
            _, link = await loop.create_connection(make, address.host, address.port, ssl=context)
    is_ours = False
    try:
        for command in _introduction(address):
            await link.call(*command)
        is_ours = True
    finally:
        if not is_ours:
            link.lose("no introduction")
    return link


class WaitingLink:
    """A connection whose caller waits for each answer, for a bounded time; it is opened again when it is needed.

    A command that finds its connection broken is sent again on another one, so it should do no more when done twice.
    """

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()

    def call(self, *command: str | bytes | int) -> object:
        """A command's answer; raises CountersUnavailable, or hiredis.ReplyError for an answer that is an error."""
        try:
            if self._socket is not None:
                try:
                    return _checked(self._ask(command))
                except ConnectionError:
                    self.close()
            self._open()
            return _checked(self._ask(command))
        except (OSError, hiredis.ProtocolError) as problem:
            self.close()
            raise CountersUnavailable(f"Redis at {self._address.shown} cannot be reached: {problem}") from problem

    def close(self) -> None:
        """Close it, if it is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> None:
        address = self._address
        if address.path is not None:
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            opened.settimeout(self._timeout_s)
            self._socket = opened
            opened.connect(address.path)
        else:
            opened = socket.create_connection((address.host, address.port), timeout=self._timeout_s)
            self._socket = opened
            if address.is_tls:
                self._socket = ssl.create_default_context().wrap_socket(opened, server_hostname=address.host)
        self._reader = hiredis.Reader()
        try:
            for command in _introduction(address):
                _checked(self._ask(command))
        except hiredis.ReplyError:
            self.close()
            raise

    def _ask(self, command: tuple[str | bytes | int, ...]) -> object:
        if self._socket is None:
            raise ConnectionError("not connected")
        self._socket.sendall(_packed(command))
        while (answer := self._reader.gets()) is False:
            data = self._socket.recv(_RECEIVE_BYTES)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._reader.feed(data)
        return answer


def _packed(command: tuple[str | bytes | int, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type] # its stub says "a tuple of one"
    return packed


def _checked(answer: object) -> object:
    if isinstance(answer, hiredis.ReplyError):
        raise answer
    return answer
