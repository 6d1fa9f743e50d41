"""The client over real loopback connections: the ordinary ways."""

from support.exchanges import a_client, a_provider, always, fetch, read_request, request, run


def test_small_post():
    """A request goes out as written and its answer comes back in order."""
    seen = []

    async def script(reader, writer):
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 201 Created\r\nX-Id:  7 \r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()

    async def main():
        async with a_provider(script) as (origin, _), a_client() as client:
            answer = await fetch(client, request(origin))
            return origin, answer

    origin, answer = run(main)

    assert answer.events == ["sent", "head", "body", "complete"]
    assert (answer.status, answer.body) == (201, b"hello")
    assert answer.headers == [(b"x-id", b"7"), (b"content-length", b"5")]
    assert seen == [
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer secret\r\n"
            b"content-length: 13\r\n\r\n" % origin.port,
            b'{"model":"m"}',
        )
    ]


def test_reuse():
    """One connection carries exchange after exchange."""

    async def main():
        async with a_provider(always()) as (origin, provider), a_client() as client:
            answers = [await fetch(client, request(origin)) for _ in range(5)]
            return [answer.body for answer in answers], provider.connections

    assert run(main) == ([b"ok"] * 5, 1)
