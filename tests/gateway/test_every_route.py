"""No route reaches a provider without an identity, a bound and a reservation, whatever is sent along it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.dialects.registry import dialect_for
from bursar.policy.claims import Hold
from support.gateway import GatewayThread
from support.provider import ScriptedProvider, answer
from support.rawhttp import RawClient

MOUNTS = {"openai": "/v1", "anthropic": "/anthropic", "gemini": "/gemini", "azure": "/azure", "bedrock": "/bedrock"}
PRICED = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5-20251001",
    "gemini": "gemini-2.5-flash",
    "azure": "gpt-4o-mini",
    "bedrock": "amazon.nova-lite-v1:0",
}
BODY = {
    "max_tokens": 10,
    "max_output_tokens": 10,
    "messages": [{"role": "user", "content": "hello"}],
    "input": "hello",
    "prompt": "hello",
    "contents": [{"parts": [{"text": "hello"}]}],
    "content": {"parts": [{"text": "hello"}]},
}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "hello"}]}], "inferenceConfig": {"maxTokens": 10}}
ROUTES = [(name, method, MOUNTS[name] + path) for name in MOUNTS for method, path in dialect_for(name).routes]


class Witness:
    """Counters that write down what was held."""

    trouble = None

    def __init__(self, counters) -> None:
        self._counters = counters
        self.held: dict[str, Hold] = {}

    def reserve(self, hold):
        verdict = self._counters.reserve(hold)
        if verdict.is_granted:
            self.held[hold.id] = hold
        return verdict

    def settle(self, hold, amounts):
        self._counters.settle(hold, amounts)

    def beat(self, *, at_us):
        self._counters.beat(at_us=at_us)

    def close(self):
        self._counters.close()


@pytest.fixture(scope="module")
def provider():
    """A provider that answers anything."""
    with ScriptedProvider(answer(b"{}")) as provider:
        yield provider


@pytest.fixture(scope="module")
def gateway(provider, tmp_path_factory):
    """A gateway with one key, and a hard budget that every request meets."""
    config = ['[[keys]]\nname = "k"\nkey = "env:VK"\n', '[[budgets]]\nname = "all"\nlimit_usd = "1000000"\n']
    for name in MOUNTS:
        more = 'region = "us-east-1"\n' if name == "bedrock" else ""
        base = "/v1" if name == "openai" else ""
        config.append(
            f'[[providers]]\nname = "{name}"\ndialect = "{name}"\nbase_url = "{provider.url}{base}"\n'
            f'api_key = "env:PK"\n{more}'
        )
    folder = tmp_path_factory.mktemp("routes")
    with GatewayThread("\n".join(config), folder, environ={"VK": "vk", "PK": "pk"}) as running:
        running.gateway.counters = Witness(running.gateway.counters)
        yield running


def send(gateway, method, path, body, **headers):
    with RawClient(gateway.port) as client:
        client.request(path, body, method=method, content_type="application/json", **headers)
        return client.answer() if method != "HEAD" else client.head()


def is_covered(gateway) -> bool:
    """Whether every attempt that was opened has an identity, a bound, and a hold of that bound."""
    opened = gateway.recorder.opened
    holds = gateway.gateway.counters.held
    return all(
        one.facts.principal.key == "k"
        and one.facts.bound is not None
        and holds[f"{one.facts.call_id}/{one.facts.attempt}"].amounts == (one.facts.bound,)
        for one in opened
    )


def filled(name: str, path: str) -> str:
    """A route's path with a value in each placeholder."""
    while "{" in path:
        before, _, rest = path.partition("{")
        placeholder, _, after = rest.partition("}")
        value = PRICED[name].replace(":", "%3A") if "model" in placeholder or "deployment" in placeholder else "x1"
        path = before + value + after
    return path


@pytest.mark.parametrize(("name", "method", "path"), ROUTES, ids=[f"{one[1]} {one[2]}" for one in ROUTES])
def test_every_route(gateway, provider, name, method, path):
    """Along every route of the table: unknown callers get nowhere, and what is sent on was bounded and held."""
    body = b"" if method in ("GET", "DELETE") else json.dumps(BODY | {"model": PRICED[name]}).encode()
    if "converse" in path:
        body = json.dumps(CONVERSE).encode()
    before = len(provider.received)
    stranger = send(gateway, method, filled(name, path), body)
    nobody_asked = len(provider.received) == before
    known = send(gateway, method, filled(name, path), body, authorization="Bearer vk")

    assert (401, True) == (stranger.status, nobody_asked)
    assert known.status < 500
    assert len(provider.received) == len(gateway.recorder.opened)
    assert is_covered(gateway)


PIECES = st.sampled_from(
    [
        "/v1",
        "/anthropic",
        "/gemini",
        "/azure",
        "/bedrock",
        "/providers/openai",
        "/v1beta",
        "/models",
        "/openai",
        "/chat",
        "/completions",
        "/responses",
        "/messages",
        "/embeddings",
        "/files",
        "/batches",
        "/model",
        "/x",
        "/..",
        "//",
        "%2f",
        "/gpt-4o-mini",
        ":generateContent",
        "/converse",
        "/invoke",
        "/deployments",
        "/realtime",
        "/audio/speech",
        "?a=b",
    ]
)
ODDITIES = st.dictionaries(
    st.sampled_from(["stream", "n", "tools", "service_tier", "store"]),
    st.sampled_from([True, 3, "auto", [{"type": "web_search"}]]),
    max_size=3,
)


@settings(max_examples=150)
@given(
    method=st.sampled_from(["POST", "GET", "DELETE", "PUT"]),
    path=st.lists(PIECES, min_size=1, max_size=6).map("".join),
    model=st.sampled_from(["gpt-4o-mini", "no-such-model", "", None, 7]),
    more=ODDITIES,
)
def test_any_request(gateway, provider, method, path, model, more):
    """Whatever path and body somebody makes up: what reaches the provider was identified, bounded and held."""
    body = json.dumps(BODY | {"model": model} | more).encode()
    send(gateway, method, path if path.startswith("/") else f"/{path}", body, authorization="Bearer vk")

    assert len(provider.received) == len(gateway.recorder.opened)
    assert is_covered(gateway)
