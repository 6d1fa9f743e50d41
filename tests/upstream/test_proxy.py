"""Corporate proxies: tunnels for TLS, absolute-form for the rest, and every way they can fail."""

import asyncio

import pytest

from bursar.errors import ConfigError
from bursar.upstream import ClientSettings, FailureKind, Origin, Timeouts, UpstreamClient
from bursar.upstream.proxy import parse_proxy
from support.authorities import Authority
from support.exchanges import (
    OK,
    a_client,
    a_provider,
    always,
    fetch,
    forever,
    read_request,
    request,
    run,
    start,
    until,
)

FAR = "provider.test"
"""A name that only the proxy can reach."""


@pytest.fixture(name="authority")
def _authority(tmp_path):
    return Authority(tmp_path)


def tunnelling(port, heads):
    """A proxy that opens every tunnel to one local port."""

    async def script(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n")
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            far_writer.transport.abort()

    return script


async def _copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def test_tunnel(authority):
    """TLS goes through a tunnel, is verified end to end, and the tunnel is reused."""
    heads = []

    async def main():
        async with (
            a_provider(always(), tls=authority.serving(FAR)) as (target, _),
            a_provider(tunnelling(target.port, heads)) as (proxy, near),
            a_client(ca_file=authority.file, proxy=f"http://us%40er:p%3Aw@127.0.0.1:{proxy.port}") as client,
        ):
            answers = [await fetch(client, request(Origin("https", FAR, 8443))) for _ in range(2)]
            return [answer.body for answer in answers], near.connections

    assert run(main) == ([b"ok", b"ok"], 1)
    assert b"".join(heads) == (
        b"CONNECT provider.test:8443 HTTP/1.1\r\nhost: provider.test:8443\r\n"
        b"proxy-authorization: Basic dXNAZXI6cDp3\r\n\r\n"
    )


def test_tunnel_to_the_wrong_server(authority):
    """A proxy cannot stand in for the provider."""

    async def main():
        async with (
            a_provider(always(), tls=authority.serving("proxy.test")) as (target, _),
            a_provider(tunnelling(target.port, [])) as (proxy, _),
            a_client(ca_file=authority.file, proxy=f"http://127.0.0.1:{proxy.port}") as client,
        ):
            failure = (await fetch(client, request(Origin("https", FAR, 443)))).failure
            return failure.kind, failure.sent

    assert run(main) == (FailureKind.TLS, False)


def saying(data, *, stay=False):
    """A proxy that answers CONNECT with these bytes."""

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if stay:
            await forever()

    return script


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (saying(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"), "status 407"),
        (saying(b"HTTP/1.1 502 Bad Gateway\r\n\r\nno route", stay=True), "status 502"),
        (saying(b""), "it closed the connection"),
        (saying(b"HTTP/1.1 200 OK\r\n"), "it closed the connection"),
        (saying(b"SSH-2.0-x\r\n", stay=True), "something else"),
        (saying(b"HTTP/1.1 200 OK\r\n\r\nearly", stay=True), "bytes of its own"),
        (saying(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, stay=True), "larger than"),
    ],
    ids=["407", "502", "dies", "dies in its head", "garbage", "early bytes", "long head"],
)
def test_proxy_that_refuses(script, message):
    """A tunnel that is not opened is PROXY, says why, and names no credentials."""

    async def main():
        async with (
            a_provider(script) as (proxy, _),
            a_client(proxy=f"http://user:hunter2@127.0.0.1:{proxy.port}") as client,
        ):
            return (await fetch(client, request(Origin("https", FAR, 443)))).failure

    failure = run(main)

    assert (failure.kind, failure.sent) == (FailureKind.PROXY, False)
    assert message in failure.message
    assert "hunter2" not in failure.message


def test_proxy_that_hangs_up_inside_the_handshake():
    """A tunnel that breaks during the handshake is TLS, as a direct connection's would be."""

    async def script(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read(1)

    async def main():
        async with a_provider(script) as (proxy, _), a_client(proxy=f"http://127.0.0.1:{proxy.port}") as client:
            return (await fetch(client, request(Origin("https", FAR, 443)))).failure.kind

    assert run(main) == FailureKind.TLS


def test_unreachable_proxy():
    """A proxy that is not there is PROXY."""

    async def main():
        async with a_provider(always()) as (origin, _):
            pass
        async with a_client(proxy=f"http://127.0.0.1:{origin.port}") as client:
            return (await fetch(client, request(Origin("https", FAR, 443)))).failure.kind

    assert run(main) == FailureKind.PROXY


@pytest.mark.parametrize("stage", ["CONNECT", "handshake"])
def test_proxy_that_hangs(stage):
    """The connect timeout covers the proxy as well; a cancelled attempt leaves nothing behind."""

    async def main():
        reached = asyncio.Event()

        async def script(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            if stage == "handshake":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await reader.read(1)
            reached.set()
            await forever()

        origin = Origin("https", FAR, 443)
        brief = Timeouts(connect_s=0.05, first_byte_s=20, idle_s=20)
        async with a_provider(script) as (proxy, _), a_client(proxy=f"http://127.0.0.1:{proxy.port}") as client:
            late = await fetch(client, request(origin, timeouts=brief))
            reached.clear()
            recorder, exchange = start(client, request(origin))
            await reached.wait()
            exchange.cancel()
            await until(lambda: client.stats()[origin].open == 0)
            return late.failure.kind, recorder.events

    assert run(main) == (FailureKind.CONNECT_TIMEOUT, [])


@pytest.mark.parametrize("turns", range(0, 60, 5))
def test_cancellation_at_any_turn(authority, turns):
    """However far tunnel and handshake have come, the slot is free again."""

    async def main():
        async with (
            a_provider(always(), tls=authority.serving(FAR)) as (target, _),
            a_provider(tunnelling(target.port, [])) as (proxy, _),
            a_client(
                ca_file=authority.file, proxy=f"http://127.0.0.1:{proxy.port}", max_connections_per_origin=1
            ) as client,
        ):
            origin = Origin("https", FAR, 443)
            recorder, exchange = start(client, request(origin))
            for _ in range(turns):
                await asyncio.sleep(0)
            before = list(recorder.events)
            exchange.cancel()
            return before == recorder.events, (await fetch(client, request(origin))).body

    assert run(main) == (True, b"ok")


def test_forwarded_request():
    """A plain request goes to the proxy in absolute-form, with the proxy's credentials."""
    seen = []

    async def script(reader, writer):
        seen.append((await read_request(reader))[0])
        writer.write(OK)
        await forever()

    async def main():
        async with a_provider(script) as (proxy, _), a_client(proxy=f"http://a:b@127.0.0.1:{proxy.port}") as client:
            return (await fetch(client, request(Origin("http", FAR, 8000), target=b"/v1?x", headers=()))).body

    assert run(main) == b"ok"
    assert b"".join(seen) == (
        b"POST http://provider.test:8000/v1?x HTTP/1.1\r\nhost: provider.test:8000\r\n"
        b"proxy-authorization: Basic YTpi\r\ncontent-length: 13\r\n\r\n"
    )


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_loopback_is_direct(name):
    """Our own machine is never looked for on the proxy's."""

    async def main():
        async with a_provider(always(), name=name) as (origin, _), a_client(proxy="http://proxy.invalid:1") as client:
            return (await fetch(client, request(origin))).body

    assert run(main) == b"ok"


@pytest.mark.parametrize(
    ("url", "host", "port", "credentials"),
    [
        ("http://proxy.corp:3128", "proxy.corp", 3128, b""),
        ("http://proxy.corp", "proxy.corp", 80, b""),
        ("http://u@proxy.corp/", "proxy.corp", 80, b"proxy-authorization: Basic dTo=\r\n"),
        ("http://[fd00::1]:8080", "fd00::1", 8080, b""),
    ],
)
def test_proxy_url(url, host, port, credentials):
    """Host, port and credentials are read from the URL."""
    proxy = parse_proxy(url)

    assert (proxy.host, proxy.port, proxy.credentials) == (host, port, credentials)
    assert "dTo" not in repr(proxy)


@pytest.mark.parametrize(
    "url", ["https://u:hunter2@p", "socks5://u:hunter2@p", "p:3128", "http://", "http://p/x", "http://p?x"]
)
def test_bad_proxy_url(url):
    """Another kind of URL is refused at the start, without repeating its password."""

    async def main():
        UpstreamClient(asyncio.get_running_loop(), ClientSettings(proxy=url))

    with pytest.raises(ConfigError, match=r"relay\.proxy") as refusal:
        run(main)

    assert "hunter2" not in str(refusal.value)
