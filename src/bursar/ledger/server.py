"""Answering questions on the ledger's Unix socket, a thread a connection.

Only the data directory's owner can connect: the socket is created with mode 0600. A question that fails is answered
with its reason; the server goes on.
"""

import logging
import os
import socketserver
from pathlib import Path
from typing import Any, Final

from bursar.errors import BursarError, LedgerUnavailable
from bursar.ledger.address import short_path
from bursar.ledger.engine import Ledger
from bursar.ledger.questions import Question
from bursar.ledger.wire import LENGTH, checked_length, decode_question, encode_answer, encode_failure

_OWNER_ONLY: Final = 0o177

_log: Final = logging.getLogger(__name__)


class LedgerServer(socketserver.ThreadingUnixStreamServer):
    """Serves one ledger. Create it from the main thread before any other starts: it sets the umask for a moment."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self.ledger: Final = ledger
        path.unlink(missing_ok=True)
        previous = os.umask(_OWNER_ONLY)
        try:
            with short_path(path) as address:
                super().__init__(address, _Connection)
        finally:
            os.umask(previous)


class _Connection(socketserver.StreamRequestHandler):
    server: LedgerServer

    def handle(self) -> None:
        while len(head := self.rfile.read(LENGTH.size)) == LENGTH.size:
            try:
                self.wfile.write(self._answer(self.rfile.read(checked_length(head))))
            except (BrokenPipeError, ConnectionResetError):
                return

    def _answer(self, data: bytes) -> bytes:
        try:
            question: Question[Any] = decode_question(data)
            return encode_answer(self.server.ledger.ask(question))
        except BursarError as failed:
            return encode_failure(failed)
        except Exception as failed:  # noqa: BLE001 - the request boundary: one question must not end the server
            _log.exception("a question failed")
            return encode_failure(LedgerUnavailable(f"the ledger process failed: {failed!r}"))
