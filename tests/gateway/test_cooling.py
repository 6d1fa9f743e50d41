"""A provider's 429 slows that provider's model down, and nothing else."""

import json

import msgspec
import pytest

from bursar.config import Provider
from bursar.dialects.registry import dialect_for
from bursar.errors import Refusal
from bursar.gateway.cooling import LONGEST_S, Cooling, retry_after_s
from bursar.gateway.targets import build_target
from support.provider import ScriptedProvider, answer
from support.rawhttp import RawClient

AUTH = {"authorization": "Bearer vk-search"}
ANSWER = answer(b'{"id":"c","model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')
WALL_US = 1_800_000_000_000_000


@pytest.fixture
def target():
    """A configured provider whose credential all callers share."""
    provider = msgspec.convert({"name": "p", "dialect": "openai"}, Provider)
    return build_target(provider, dialect_for("openai"), base_url="https://p.example/v1", api_key=b"k", sign=None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({b"retry-after": b"7"}, 7),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after": b"7", b"retry-after-ms": b"1500"}, 1.5),
        ({b"retry-after": b"Fri, 15 Jan 2027 08:00:10 GMT"}, 10),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"\xb2"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers, seconds):
    """Every form in which providers state it; nonsense is no statement."""
    assert seconds == retry_after_s(headers, wall_us=WALL_US)


def test_only_the_model_rests(gateway_for):
    """After a 429 that says how long, the model is refused with the time left; other models are asked as ever."""

    def script(connection, request):
        if b"gpt-4o-mini" in request.body:
            answer(b'{"error":{"message":"slow"}}', status="429 Too Many Requests", extra="retry-after: 30\r\n")(
                connection, request
            )
        else:
            ANSWER(connection, request)

    def ask(gateway, model):
        with RawClient(gateway.port) as client:
            client.request("/v1/chat/completions", json.dumps({"model": model, "messages": []}).encode(), **AUTH)
            return client.answer()

    with ScriptedProvider(script) as provider, gateway_for(provider) as gateway:
        first, second, other = ask(gateway, "gpt-4o-mini"), ask(gateway, "gpt-4o-mini"), ask(gateway, "gpt-4o")

    assert [429, 429, 200] == [first.status, second.status, other.status]
    assert "slow" == json.loads(first.body)["error"]["message"]
    assert "provider_rate_limited" == json.loads(second.body)["error"]["code"]
    assert 25 <= int(second.headers["retry-after"]) <= 30
    assert 2 == len(provider.received)


def test_rest_ends(target):
    """A rest ends when it is over, is never longer than the longest, and an error without a time starts none."""
    cooling = Cooling()
    cooling.heed(target, "m", 429, {b"retry-after": b"86400"}, now_us=0, wall_us=WALL_US)
    cooling.heed(target, "n", 429, {}, now_us=0, wall_us=WALL_US)
    cooling.heed(target, "o", 500, {b"retry-after": b"9"}, now_us=0, wall_us=WALL_US)
    resting = cooling.resting(now_us=0)

    assert [(target.name, "m", LONGEST_S)] == resting
    with pytest.raises(Refusal, match="asked for patience"):
        cooling.check(target, "m", now_us=int(LONGEST_S * 1_000_000) - 1)
    cooling.check(target, "m", now_us=int(LONGEST_S * 1_000_000))
    cooling.check(target, "m", now_us=0)


def test_callers_credentials_never_rest(target):
    """Where callers use their own credentials, one caller's limit is no other's."""
    cooling = Cooling()
    cooling.heed(msgspec.structs.replace(target, api_key=None), "m", 429, {b"retry-after": b"9"}, now_us=0, wall_us=0)

    assert [] == cooling.resting(now_us=0)
