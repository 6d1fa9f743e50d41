"""Webhooks on the wire."""

import asyncio
import hashlib
import hmac
import logging

import pytest

from bursar.config import Webhook
from bursar.control.values import Alert
from bursar.notify import post
from bursar.notify.channel import NotDelivered, notice_of
from bursar.notify.webhook import Hook, WebhookChannel, signature
from bursar.upstream import ClientSettings, UpstreamClient
from support.ledger_records import FixedClock
from support.provider import answer, reset
from support.receiver import receiving

AT_S = 1_793_491_200
SECRET = b"whsec-sesame"
ALERT = Alert(
    kind="budget_threshold",
    severity="warning",
    subject="search",
    message="Budget 'search' has used 80 % of its limit – “at last”.",
    at_us=AT_S * 1_000_000,
    data={"percent": 80, "limit_usd": "1.00"},
)
NOTICE = notice_of(ALERT, "raised", key="budget_threshold/b/0/80", number=7)


def tell(url: str, *, secret: bytes | None = SECRET, notice=NOTICE) -> None:
    """Deliver one notice, or raise why it was not."""

    async def run() -> None:
        client = UpstreamClient(asyncio.get_running_loop(), ClientSettings())
        try:
            await WebhookChannel(Hook(Webhook(name="ops", url=url), secret), client, FixedClock()).tell(notice)
        finally:
            await client.aclose()

    asyncio.run(run())


def test_request():
    """A notice is a JSON POST to the whole address, with everything that is known of the alert."""
    with receiving() as receiver:
        tell(receiver.url)
        (got,) = receiver.received

    assert ("POST", "/hooks/T0KEN?room=ops") == (got.method, got.target)
    assert ("application/json", f"127.0.0.1:{receiver.provider.port}") == (
        got.headers["content-type"],
        got.headers["host"],
    )
    assert {
        "event": "raised",
        "id": 7,
        "key": "budget_threshold/b/0/80",
        "kind": "budget_threshold",
        "severity": "warning",
        "subject": "search",
        "message": "Budget 'search' has used 80 % of its limit – “at last”.",
        "at": "2026-11-01T00:00:00.000Z",
        "resolved_at": None,
        "data": {"percent": 80, "limit_usd": "1.00"},
        "runbook": "https://github.com/bursar/bursar/blob/main/docs/alerts.md#budget_threshold",
    } == receiver.bodies[0]


def test_signature():
    """Whoever has the secret can check who sent these bytes, and when; computed here from the words of the docs."""
    with receiving() as receiver:
        tell(receiver.url)
        (got,) = receiver.received
    stamp, proof = (part.partition("=") for part in got.headers["x-bursar-signature"].split(","))
    expected = hmac.new(SECRET, f"{stamp[2]}.".encode() + got.body, hashlib.sha256).hexdigest()

    assert (("t", str(AT_S)), ("v1", expected)) == ((stamp[0], stamp[2]), (proof[0], proof[2]))


def test_signature_vector():
    """A vector made with OpenSSL: printf '1700000000.{}' | openssl dgst -sha256 -hmac key."""
    assert b"t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae" == signature(
        b"key", b"{}", at_s=1_700_000_000
    )


def test_unsigned():
    """Without a secret there is no signature."""
    with receiving() as receiver:
        tell(receiver.url, secret=None)

    assert "x-bursar-signature" not in receiver.received[0].headers


@pytest.mark.parametrize(
    ("status", "why"), [(301, "answered 301; redirects are not followed"), (404, "answered 404"), (503, "answered 503")]
)
def test_not_taken(status, why):
    """Anything but success is a failure, a redirect too, which nobody follows."""
    elsewhere = answer(b"", status=status, extra="location: http://127.0.0.1:1/steal\r\n")
    with receiving(script=elsewhere) as receiver, pytest.raises(NotDelivered, match=why):
        tell(receiver.url)

    assert 1 == len(receiver.received)


def test_endless_body():
    """What a receiver says is not read: a body without an end holds nobody up."""

    def script(connection, _request):
        connection.sendall(b"HTTP/1.1 202 X\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    with receiving(script=script) as receiver:
        tell(receiver.url)

    assert 1 == len(receiver.received)


def test_connection_is_let_go(monkeypatch):
    """A receiver that was given up keeps no connection."""
    monkeypatch.setattr(post, "WITHIN_S", 0.05)

    async def run(url: str) -> int:
        client = UpstreamClient(asyncio.get_running_loop(), ClientSettings())
        with pytest.raises(NotDelivered):
            await WebhookChannel(Hook(Webhook(name="ops", url=url), None), client, FixedClock()).tell(NOTICE)
        turns = 0
        while sum(one.open for one in client.stats().values()) and turns < 100:
            await asyncio.sleep(0)
            turns += 1
        (stats,) = client.stats().values()
        await client.aclose()
        return stats.open

    with receiving(script=lambda connection, _request: connection.recv(1)) as receiver:
        assert 0 == asyncio.run(run(receiver.url))


def test_receiver_that_hangs(monkeypatch):
    """A receiver that takes the request and says nothing is given up after a bounded time."""
    monkeypatch.setattr(post, "WITHIN_S", 0.05)
    with (
        receiving(script=lambda connection, _request: connection.recv(1)) as receiver,
        pytest.raises(NotDelivered, match=r"no answer within 0\.05 s"),
    ):
        tell(receiver.url)


def test_broken_connection():
    """A connection that breaks is a failure that names the origin, and nothing of the address past it."""
    with (
        receiving(script=lambda connection, _request: reset(connection)) as receiver,
        pytest.raises(NotDelivered) as failed,
    ):
        tell(receiver.url)

    assert "127.0.0.1" in str(failed.value)
    assert "T0KEN" not in str(failed.value)


def test_nobody_there():
    """An address where nobody listens is a failure."""
    with pytest.raises(NotDelivered, match=r"127\.0\.0\.1"):
        tell("http://127.0.0.1:1/hooks/T0KEN")


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/x", "example.com/x", "https://user:pw@example.com/x", "https://example.com/a b", "https:///x"],
)
def test_addresses_that_cannot_be_used(url):
    """An address that is no plain http(s) URL is refused when the configuration is read."""
    with pytest.raises(ValueError, match=r"URL|percent-encoded|carries"):
        Hook(Webhook(name="ops", url=url), None)


def test_nothing_secret_is_shown(caplog):
    """Neither the secret nor what may be one in the address appears in a log or a representation."""
    caplog.set_level(logging.DEBUG)
    hook = Hook(Webhook(name="ops", url="http://127.0.0.1:1/hooks/T0KEN"), SECRET)
    with pytest.raises(NotDelivered):
        tell("http://127.0.0.1:1/hooks/T0KEN")

    assert not [word for word in ("T0KEN", "sesame") if word in caplog.text or word in repr(hook)]


def test_kinds():
    """A webhook is told of the kinds it names, or of all."""
    some = Hook(Webhook(name="ops", url="http://x/", kinds=("store_down",)), None)
    every = Hook(Webhook(name="ops", url="http://x/"), None)

    assert [True, False, True] == [some.takes("store_down"), some.takes("run_limit"), every.takes("run_limit")]
