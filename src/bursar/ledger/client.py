"""Asking the ledger: the process that owns it while one runs, the files themselves while none does.

Each question opens a connection of its own (some 50 µs), so a ledger process that was restarted in between needs no
care. `connect` is for the command line, `AsyncLedgerClient` for the console, which always runs beside a ledger process.
"""

import asyncio
import socket
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol, TypeVar

from bursar.clock import Clock
from bursar.config import Ledger as Settings
from bursar.errors import LedgerUnavailable
from bursar.ledger.address import short_path
from bursar.ledger.layout import Layout
from bursar.ledger.questions import Question
from bursar.ledger.wire import LENGTH, checked_length, decode_answer, encode_question

TIMEOUT_S: Final = 120.0
"""Longest wait for an answer; a full scan of a hundred million rows takes a few seconds."""

WAIT_FOR_OWNER_S: Final = 5.0
"""How long `connect` waits for an owner that holds the lock and does not answer: it is starting or ending."""

A = TypeVar("A")


class LedgerClient(Protocol):
    """Something that answers questions about the ledger."""

    def ask(self, question: Question[A]) -> A:
        """Answer a question; raises QuestionError or LedgerUnavailable."""
        ...

    def close(self) -> None:
        """Let go of the ledger."""
        ...


class SocketClient:
    """Asks the ledger process over its socket."""

    def __init__(self, data_dir: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._socket: Final = Layout(data_dir).socket
        self._timeout_s: Final = timeout_s

    def ask(self, question: Question[A]) -> A:
        """Answer a question; raises QuestionError or LedgerUnavailable."""
        try:
            with closing(self._connected()) as connection, connection.makefile("rwb") as stream:
                stream.write(encode_question(question))
                stream.flush()
                head = stream.read(LENGTH.size)
                data = stream.read(checked_length(head)) if len(head) == LENGTH.size else b""
        except OSError as failed:
            raise LedgerUnavailable(f"no ledger process answers at {self._socket}: {failed}") from failed
        if not data:
            raise LedgerUnavailable(f"the ledger process at {self._socket} ended before it answered")
        return decode_answer(question, data)

    def is_answered(self) -> bool:
        """Whether a ledger process accepts connections."""
        try:
            self._connected().close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Nothing is held between questions."""

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout_s)
            with short_path(self._socket) as path:
                connection.connect(path)
        except OSError:
            connection.close()
            raise
        return connection


class AsyncLedgerClient:
    """Asks the ledger process from an event loop."""

    def __init__(self, data_dir: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        self._socket: Final = Layout(data_dir).socket
        self._timeout_s: Final = timeout_s

    async def ask(self, question: Question[A]) -> A:
        """Answer a question; raises QuestionError or LedgerUnavailable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                data = await self._exchange(encode_question(question))
        except (OSError, EOFError) as failed:
            raise LedgerUnavailable(f"no ledger process answers at {self._socket}: {failed}") from failed
        return decode_answer(question, data)

    async def _exchange(self, message: bytes) -> bytes:
        with short_path(self._socket) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(message)
            head = await reader.readexactly(LENGTH.size)
            return await reader.readexactly(checked_length(head))
        finally:
            writer.close()


def connect(data_dir: Path, settings: Settings, *, clock: Clock, wait_s: float = WAIT_FOR_OWNER_S) -> LedgerClient:
    """The ledger process's client if one runs, or the ledger itself, opened in this process.

    Raises LedgerUnavailable when another process owns the ledger and does not answer.
    """
    remote = SocketClient(data_dir)
    if remote.is_answered():
        return remote
    # The engine is half a second of imports that nobody needs while a ledger process runs.
    from bursar.ledger.engine import Ledger  # noqa: PLC0415

    try:
        return Ledger(data_dir, settings, clock=clock, wait_s=wait_s)
    except LedgerUnavailable:
        if remote.is_answered():
            return remote
        raise
