"""The floor: an HTTP/1.1 relay on uvloop and httptools with no logic; Bursar's cost is told as a multiple of it.

    python bench/bare_relay.py http://127.0.0.1:9000 [--ca FILE]

Prints ``ready PORT``. It parses both sides, keeps both sides' connections alive, drops hop-by-hop headers, frames the
answer anew, streams it with back-pressure, and pools connections to its one upstream. It reads no body, knows no key,
price or budget, and writes nothing down. What it may leave out it leaves out: HEAD and upgrades are refused, and a
request pipelined behind an unanswered one ends the connection after that answer (RFC 9112 §9.3.2 lets clients resend).
"""

import argparse
import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import httptools
import uvloop

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
NOT_FORWARDED = HOP_BY_HOP | {b"host", b"content-length", b"expect"}
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Relay:
    """The upstream's address and its idle connections."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.host, self.port, self.tls = host, port, tls
        self.host_line = b"host: %b:%d\r\n" % (host.encode(), port)
        self.idle: list[Upstream] = []
        self.connecting: set[asyncio.Task[None]] = set()

    def forward(self, client: "Client", request: bytes) -> None:
        """Send on an idle connection, or open one."""
        if self.idle:
            self.idle.pop().exchange(client, request)
            return
        task = self.loop.create_task(self._connect(client, request))
        self.connecting.add(task)
        task.add_done_callback(self.connecting.discard)

    async def _connect(self, client: "Client", request: bytes) -> None:
        name = self.host if self.tls else None
        try:
            _, upstream = await self.loop.create_connection(
                lambda: Upstream(self), self.host, self.port, ssl=self.tls, server_hostname=name
            )
        except OSError:
            client.transport.write(BAD_GATEWAY)
            client.answered()
            return
        if client.transport.is_closing():
            upstream.transport.close()
        else:
            upstream.exchange(client, request)


class Client(asyncio.Protocol):
    """A connection from a client: one request at a time, its body held until it is complete (as nginx does)."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.parser = httptools.HttpRequestParser(self)
        self.upstream: Upstream | None = None
        self.is_busy = False
        self.closes = False
        self.url = b""
        self.fields: list[bytes] = []
        self.body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.upstream is not None:
            self.upstream.transport.abort()

    def pause_writing(self) -> None:
        if self.upstream is not None:
            self.upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.upstream is not None:
            self.upstream.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.is_busy:
            self.closes = True
            return
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.closes = True
            self.transport.write(BAD_REQUEST)
            self.transport.close()

    def on_message_begin(self) -> None:
        if self.is_busy:
            self.closes = True

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() not in NOT_FORWARDED:
            self.fields.append(b"%b: %b\r\n" % (name, value))

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        if self.closes:
            return
        method = self.parser.get_method()
        if method == b"HEAD":
            self.transport.write(BAD_REQUEST)
            self.transport.close()
            return
        self.is_busy = True
        self.closes = not self.parser.should_keep_alive()
        body = b"".join(self.body)
        head = b"%b %b HTTP/1.1\r\n%b%bcontent-length: %d\r\n\r\n" % (
            method,
            self.url,
            self.relay.host_line,
            b"".join(self.fields),
            len(body),
        )
        self.url = b""
        self.fields.clear()
        self.body.clear()
        self.relay.forward(self, head + body)

    def answered(self) -> None:
        """The answer is complete."""
        self.is_busy = False
        self.upstream = None
        if self.closes:
            self.transport.close()


class Upstream(asyncio.Protocol):
    """A pooled connection to the upstream, lent to one client at a time."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.parser = httptools.HttpResponseParser(self)
        self.client: Client | None = None
        self.out: list[bytes] = []
        self.fields: list[bytes] = []
        self.body: list[bytes] = []
        self.reason = b""
        self.is_chunked = self.has_length = self.is_complete = self.is_reusable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def exchange(self, client: Client, request: bytes) -> None:
        """Lend this connection to a client and send its request."""
        self.client = client
        client.upstream = self
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.client is None:
            self.transport.close()
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()
            return
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        client = self.client
        if client is None:
            if self in self.relay.idle:
                self.relay.idle.remove(self)
        elif self.is_chunked and not self.has_length and exc is None:
            self.is_complete = True
            self._flush()
        else:
            client.upstream = None
            client.transport.close()

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise ValueError("the upstream sent more than one answer to a request")

    def on_status(self, reason: bytes) -> None:
        self.reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower == b"content-length":
            self.has_length = True
        elif lower in HOP_BY_HOP:
            if lower == b"transfer-encoding":
                self.has_length = True
                self.is_chunked = True
            return
        self.fields.append(b"%b: %b\r\n" % (name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status >= 200:
            if not self.has_length:
                self.is_chunked = True
            if self.is_chunked:
                self.fields.append(b"transfer-encoding: chunked\r\n")
            if self.client.closes:
                self.fields.append(b"connection: close\r\n")
            self.out.append(b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, self.reason, b"".join(self.fields)))
        self.fields.clear()

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() >= 200:
            self.is_complete = True
            self.is_reusable = self.parser.should_keep_alive()

    def _flush(self) -> None:
        """Write what this read brought, in one piece; end the exchange if that was all."""
        client, out = self.client, self.out
        if self.body:
            data = self.body[0] if len(self.body) == 1 else b"".join(self.body)
            self.body.clear()
            out.append(b"%x\r\n%b\r\n" % (len(data), data) if self.is_chunked else data)
        if self.is_complete and self.is_chunked:
            out.append(b"0\r\n\r\n")
        if out:
            client.transport.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()
        if self.is_complete:
            self._release(client)

    def _release(self, client: Client) -> None:
        self.is_chunked = self.has_length = self.is_complete = False
        self.client = None
        if self.is_reusable and not self.transport.is_closing():
            self.relay.idle.append(self)
        else:
            self.transport.close()
        client.answered()


def client_factory(relay: Relay) -> Callable[[], Client]:
    """Makes protocols for the listening socket."""
    return lambda: Client(relay)


async def serve(url: str, ca: str | None) -> None:
    """Listen on a free port of the loopback until killed."""
    parts = urlsplit(url)
    tls = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
    relay = Relay(parts.hostname or "", parts.port or (443 if tls else 80), tls)
    server = await relay.loop.create_server(client_factory(relay), "127.0.0.1", 0, backlog=2048)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--ca")
    options = parser.parse_args()
    uvloop.run(serve(options.url, options.ca))


if __name__ == "__main__":
    main()
