"""TLS to providers: verified by name, with no way around it, and as robust as plain connections."""

import asyncio
import inspect

import pytest

from bursar.errors import ConfigError
from bursar.upstream import ClientSettings, FailureKind, Origin, Timeouts, UpstreamClient
from support.authorities import LONG_AGO, Authority
from support.exchanges import (
    OK,
    Recorder,
    a_client,
    a_provider,
    always,
    answering,
    fetch,
    forever,
    read_request,
    request,
    run,
    silent,
    start,
    until,
)


@pytest.fixture(name="authority")
def _authority(tmp_path):
    return Authority(tmp_path)


def test_exchange(authority):
    """Name indication and ALPN are sent, the certificate is verified, and the connection is reused."""
    names = []
    protocols = []

    async def script(reader, writer):
        protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await always()(reader, writer)

    async def main():
        context = authority.serving("localhost")
        context.sni_callback = lambda _, name, __: names.append(name)
        async with (
            a_provider(script, tls=context, name="localhost") as (origin, provider),
            a_client(ca_file=authority.file) as client,
        ):
            return [(await fetch(client, request(origin))).body for _ in range(3)], provider.connections

    assert run(main) == ([b"ok"] * 3, 1)
    assert names == ["localhost"]
    assert protocols == ["http/1.1"]


def test_address_in_the_certificate(authority):
    """A literal address is verified against the certificate's addresses."""

    async def main():
        async with (
            a_provider(always(), tls=authority.serving("127.0.0.1")) as (origin, _),
            a_client(ca_file=authority.file) as client,
        ):
            return (await fetch(client, request(origin))).body

    assert run(main) == b"ok"


@pytest.mark.parametrize("why", ["wrong name", "wrong address", "unknown authority", "expired"])
def test_certificate_that_is_not_trusted(authority, why):
    """Nothing is sent to a server that cannot prove its name."""
    context = {
        "wrong name": lambda: authority.serving("other.example", "localhost.example"),
        "wrong address": lambda: authority.serving("127.0.0.2"),
        "unknown authority": lambda: authority.serving("localhost"),
        "expired": lambda: authority.serving("localhost", not_after=LONG_AGO),
    }[why]()
    name = "127.0.0.1" if why == "wrong address" else "localhost"
    settings = {} if why == "unknown authority" else {"ca_file": authority.file}

    async def main():
        async with (
            a_provider(always(), tls=context, name=name) as (origin, provider),
            a_client(**settings) as client,
        ):
            return (await fetch(client, request(origin))).failure, provider.connections

    failure, connections = run(main)

    assert (failure.kind, failure.sent, connections) == (FailureKind.TLS, False, 0)
    assert "certificate is not trusted" in failure.message


def test_no_way_around_verification():
    """No setting names verification, so none can turn it off."""
    words = " ".join([*ClientSettings.__struct_fields__, *inspect.signature(UpstreamClient).parameters])

    assert not any(word in words for word in ("verify", "insecure", "check", "trust"))


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_bad_authority_file(tmp_path, content):
    """A file of authorities that cannot be used is refused at the start, by name."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    async def main():
        UpstreamClient(asyncio.get_running_loop(), ClientSettings(ca_file=str(path)))

    with pytest.raises(ConfigError, match=r"ca\.pem"):
        run(main)


async def _plain_http(_reader, writer):
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def _hang_up(reader, _writer):
    await reader.read(1)


@pytest.mark.parametrize("script", [_plain_http, _hang_up])
def test_server_that_does_not_speak_tls(script):
    """A handshake that fails is TLS, and nothing was sent."""

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            failure = (await fetch(client, request(Origin("https", "127.0.0.1", origin.port)))).failure
            return failure.kind, failure.sent

    assert run(main) == (FailureKind.TLS, False)


async def _mute(reader, _writer):
    await reader.read(1)
    await forever()


def test_handshake_that_hangs():
    """The connect timeout covers the handshake."""

    async def main():
        timeouts = Timeouts(connect_s=0.05, first_byte_s=20, idle_s=20)
        async with a_provider(_mute) as (plain, _), a_client() as client:
            origin = Origin("https", "127.0.0.1", plain.port)
            failure = (await fetch(client, request(origin, timeouts=timeouts))).failure
            await until(lambda: client.stats()[origin].open == 0)
            return failure.kind, failure.sent

    assert run(main) == (FailureKind.CONNECT_TIMEOUT, False)


@pytest.mark.parametrize("turns", range(0, 40, 3))
def test_cancellation_during_the_handshake(authority, turns):
    """However far the handshake has come, nothing is told and the slot is free again."""

    async def main():
        async with (
            a_provider(always(), tls=authority.serving("127.0.0.1")) as (origin, _),
            a_client(ca_file=authority.file, max_connections_per_origin=1) as client,
        ):
            recorder, exchange = start(client, request(origin))
            for _ in range(turns):
                await asyncio.sleep(0)
            before = list(recorder.events)
            exchange.cancel()
            return before == recorder.events, (await fetch(client, request(origin))).body

    assert run(main) == (True, b"ok")


def test_cancellation_of_a_handshake_that_hangs():
    """A peer that says nothing cannot hold on to us."""

    async def main():
        reached = asyncio.Event()

        async def script(reader, writer):
            await reader.read(1)
            reached.set()
            await _mute(reader, writer)

        async with a_provider(script) as (plain, _), a_client() as client:
            origin = Origin("https", "127.0.0.1", plain.port)
            recorder, exchange = start(client, request(origin))
            await reached.wait()
            exchange.cancel()
            await until(lambda: client.stats()[origin].open == 0)
            return recorder.events

    assert run(main) == []


@pytest.mark.parametrize("is_clean", [True, False])
def test_body_until_eof(authority, is_clean):
    """A body that lasts until the end needs a TLS goodbye: without one it may have been cut by anyone on the way."""
    data = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"

    async def cut(reader, writer):
        await read_request(reader)
        writer.write(data)
        await writer.drain()

    async def main():
        async with (
            a_provider(answering(data) if is_clean else cut, tls=authority.serving("127.0.0.1")) as (origin, _),
            a_client(ca_file=authority.file) as client,
        ):
            answer = await fetch(client, request(origin))
            return answer.events[-1], answer.body

    assert run(main) == ("complete" if is_clean else "failure reset", b"until the end")


def test_stale_connection(authority):
    """A pooled TLS connection that dies before any byte of an answer is STALE too."""

    async def script(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await read_request(reader)

    async def main():
        async with (
            a_provider(script, tls=authority.serving("127.0.0.1")) as (origin, _),
            a_client(ca_file=authority.file) as client,
        ):
            await fetch(client, request(origin))
            return (await fetch(client, request(origin))).failure.kind

    assert run(main) == FailureKind.STALE


def test_large_bodies(authority):
    """Large requests and answers arrive whole, paused half-way or not."""
    body = bytes(range(256)) * 20_000

    async def script(reader, writer):
        _, sent = await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(sent) + sent)
        await writer.drain()
        await forever()

    class Hesitant(Recorder):
        def on_head(self, status, headers):
            super().on_head(status, headers)
            exchange.pause()
            asyncio.get_running_loop().call_later(0.02, exchange.resume)

    async def main():
        nonlocal exchange
        async with (
            a_provider(script, tls=authority.serving("127.0.0.1")) as (origin, _),
            a_client(ca_file=authority.file) as client,
        ):
            recorder = Hesitant()
            exchange = client.send(request(origin, body=body), recorder)
            await recorder.ended.wait()
            return recorder.events, recorder.body == body

    exchange = None

    assert run(main) == (["sent", "head", "body", "complete"], True)


def test_provider_that_stops_reading(authority):
    """A provider that stops taking a large body over TLS fails the exchange."""

    async def script(reader, _writer):
        await reader.readuntil(b"\r\n\r\n")
        await forever()

    async def main():
        timeouts = Timeouts(connect_s=20, first_byte_s=0.2, idle_s=20)
        async with (
            a_provider(script, tls=authority.serving("127.0.0.1")) as (origin, _),
            a_client(ca_file=authority.file) as client,
        ):
            return (await fetch(client, request(origin, body=bytes(20_000_000), timeouts=timeouts))).events

    assert run(main) == ["failure first_byte_timeout"]


def test_cancellation_in_flight(authority):
    """Cancelling closes at once, without waiting for the peer's goodbye."""

    async def main():
        async with (
            a_provider(silent, tls=authority.serving("127.0.0.1")) as (origin, _),
            a_client(ca_file=authority.file) as client,
        ):
            recorder, exchange = start(client, request(origin))
            await recorder.sent.wait()
            exchange.cancel()
            await until(lambda: client.stats()[origin].open == 0)
            return recorder.events

    assert run(main) == ["sent"]


def test_dribbled_records(authority):
    """Records that arrive a byte at a time, handshake included, make the same answer."""

    async def main():
        async with a_provider(always(), tls=authority.serving("127.0.0.1")) as (target, _):

            async def dribble(reader, writer):
                far_reader, far_writer = await asyncio.open_connection(target.host, target.port)
                try:
                    await asyncio.gather(_copy(reader, far_writer, 65536), _copy(far_reader, writer, 1))
                finally:
                    far_writer.transport.abort()

            async with a_provider(dribble) as (origin, _), a_client(ca_file=authority.file) as client:
                return (await fetch(client, request(Origin("https", "127.0.0.1", origin.port)))).body

    assert run(main) == b"ok"


async def _copy(reader, writer, size):
    while data := await reader.read(size):
        writer.write(data)
        await writer.drain()
