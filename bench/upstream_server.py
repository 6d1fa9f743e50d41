"""A provider that costs next to nothing: it answers every chat request with ready-made bytes, whole or streamed.

    python bench/upstream_server.py [--tls FOLDER]

Prints ``ready PORT`` once it listens. With ``--tls`` it makes a throw-away certificate for ``localhost`` and writes its
authority to ``FOLDER/ca.pem``. A request with ``"stream": true`` gets ``max_tokens`` chunks, each in a write of its
own, ``seed`` milliseconds apart.
"""

import argparse
import asyncio
import ssl
from pathlib import Path

import httptools
import msgspec
import trustme
import uvloop

from payloads import answer_body, answer_head, event, last_events


class Options(msgspec.Struct):
    """OpenAI's ``stream_options``."""

    include_usage: bool = False


class Ask(msgspec.Struct):
    """What of a chat request decides the answer."""

    stream: bool = False
    max_tokens: int = 0
    seed: int = 0
    stream_options: Options | None = None


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_BODY = answer_body()
WHOLE = answer_head("application/json", f"Content-Length: {len(_BODY)}") + _BODY
STREAM_HEAD = answer_head("text/event-stream; charset=utf-8", "Transfer-Encoding: chunked")
FIRST = _framed(event(is_first=True))
CHUNK = _framed(event())
END = _framed(last_events(has_usage=False)) + b"0\r\n\r\n"
END_WITH_USAGE = _framed(last_events(has_usage=True)) + b"0\r\n\r\n"


class Provider(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.decoder = msgspec.json.Decoder(Ask)
        self.body: list[bytes] = []
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        ask = self.decoder.decode(b"".join(self.body)) if self.body else Ask()
        self.body.clear()
        if ask.stream:
            self.pause_s = ask.seed / 1000
            self.end = END_WITH_USAGE if ask.stream_options and ask.stream_options.include_usage else END
            self.transport.write(STREAM_HEAD + FIRST)
            self._later(ask.max_tokens - 1)
        else:
            self.transport.write(WHOLE)

    def _chunk(self, left: int) -> None:
        if left > 0:
            self.transport.write(CHUNK)
            self._later(left - 1)
        else:
            self.timer = None
            self.transport.write(self.end)

    def _later(self, left: int) -> None:
        self.timer = self.loop.call_later(self.pause_s, self._chunk, left)


def make_certificate(folder: Path) -> ssl.SSLContext:
    """A server context for ``localhost``; the authority to trust goes to ``folder/ca.pem``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def serve(tls: ssl.SSLContext | None) -> None:
    """Listen on a free port of the loopback until killed."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, ssl=tls, backlog=2048)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    uvloop.run(serve(make_certificate(options.tls) if options.tls else None))


if __name__ == "__main__":
    main()
