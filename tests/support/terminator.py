"""A TLS terminator on loopback, such as stands before a gateway in production: decrypts, and passes bytes on."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminating(port: int, context: ssl.SSLContext) -> Iterator[str]:
    """Serve TLS in front of a loopback port while the block runs; yields the base URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tls terminator")
    thread.start()
    terminator = _Terminator(port)
    try:
        own_port = asyncio.run_coroutine_threadsafe(terminator.start(context), loop).result(10)
        yield f"https://localhost:{own_port}"
    finally:
        asyncio.run_coroutine_threadsafe(terminator.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class _Terminator:
    """The server and its connections; lives on one event loop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._relays: list[asyncio.Future[list[None]]] = []

    async def start(self, context: ssl.SSLContext) -> int:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0, ssl=context)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break every connection off and wait until all are gone."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._relays, *(one.wait_closed() for one in self._writers), return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(behind_writer)
        both = asyncio.gather(_pass_on(reader, behind_writer), _pass_on(behind_reader, writer))
        self._relays.append(both)
        await both


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # either side may break off at any time
    writer.close()
