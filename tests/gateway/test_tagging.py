"""The tag step: what each format says of tags, and what happens to a request that lacks some."""

import json
from pathlib import Path

import pytest

from bursar.config import Tags
from bursar.dialects.registry import dialect_for
from bursar.events import Outcome, Principal
from bursar.gateway.headers import RequestHead
from bursar.gateway.tagging import tags_of
from bursar.policy.identity import Identity
from bursar.policy.tag_rules import TagRules
from support.blocks import blocks_of
from support.provider import ScriptedProvider, answer
from support.rawhttp import RawClient

AUTH = {"authorization": "Bearer vk-search"}
PATH = "/v1/chat/completions"
CHAT = b'{"model":"gpt-4o-mini","messages":[]}'
CLAUDE_CODE = "user_5f1c_account_09aa-72e4_session_0c6f-41b0"
REQUEST_METADATA = b"x-amzn-bedrock-request-metadata"


@pytest.fixture
def provider():
    """A provider that answers everything."""
    with ScriptedProvider(answer(b"{}")) as provider:
        yield provider


def tags_from(dialect, path, body=None, headers=(), rules=None):
    """The tags of a request of one format."""
    format_ = dialect_for(dialect)
    endpoint = format_.match("POST", path)
    request = format_.read(endpoint, "application/json", json.dumps(body).encode())
    return dict(tags_of(request, RequestHead(headers), Identity(Principal()), rules or TagRules()).tags)


@pytest.mark.parametrize(
    ("dialect", "path", "body", "tags"),
    [
        ("openai", "/chat/completions", {"user": "u", "metadata": {"Use-Case": "x"}}, {"user": "u", "use_case": "x"}),
        ("openai", "/chat/completions", {"safety_identifier": "s"}, {"user": "s"}),
        ("openai", "/chat/completions", {"user": "u", "safety_identifier": "s"}, {"user": "u"}),
        ("openai", "/chat/completions", {"prompt_cache_key": "k"}, {}),
        ("openai", "/chat/completions", {"metadata": {"user_id": "m"}, "user": "u"}, {"user": "u"}),
        ("openai", "/responses", {"safety_identifier": "s", "metadata": {"a": "b"}}, {"user": "s", "a": "b"}),
        ("openai", "/completions", {"user": "u"}, {"user": "u"}),
        ("openai", "/embeddings", {"user": "u"}, {"user": "u"}),
        ("openai", "/images/generations", {"user": "u"}, {"user": "u"}),
        ("azure", "/openai/v1/chat/completions", {"user": "u"}, {"user": "u"}),
        ("mistral", "/chat/completions", {"metadata": {"feature": "f"}}, {"feature": "f"}),
        ("anthropic", "/v1/messages", {"metadata": {"user_id": CLAUDE_CODE}}, {"user": CLAUDE_CODE}),
        ("gemini", "/v1beta/models/m:generateContent", {"labels": {"feature": "f"}}, {"feature": "f"}),
        ("bedrock", "/model/m/converse", {"requestMetadata": {"feature": "f"}}, {"feature": "f"}),
        (
            "bedrock",
            "/model/anthropic.m/invoke",
            {"anthropic_version": "bedrock-2023-05-31", "metadata": {"user_id": "u"}},
            {"user": "u"},
        ),
    ],
)
def test_body_metadata(dialect, path, body, tags):
    """Each format's own places for a user and for labels become tags."""
    assert tags == tags_from(dialect, path, {"model": "m", **body})


def test_bedrock_request_metadata_header():
    """InvokeModel has its metadata in a header; the body's wins nothing over it but where both name a tag."""
    headers = [(REQUEST_METADATA, b'{"feature": "f", "cost": 3}'), (b"x-bursar-feature", b"own")]

    assert {"feature": "f"} == tags_from("bedrock", "/model/m/invoke", {}, headers[:1])
    assert {"feature": "own"} == tags_from("bedrock", "/model/m/invoke", {}, headers)
    assert {} == tags_from("bedrock", "/model/m/invoke", {}, [(REQUEST_METADATA, b"[not json")])


def test_aliases_and_defaults():
    """Aliases hold for headers and metadata; defaults fill in what nobody set."""
    rules = TagRules(Tags(aliases={"squad": "feature"}, defaults={"environment": "dev", "workload": "experiment"}))

    tags = tags_from(
        "openai",
        "/chat/completions",
        {"metadata": {"squad": "b", "env": "prod"}},
        [(b"x-bursar-squad", b"h")],
        rules,
    )

    assert {"environment": "prod", "feature": "h", "workload": "experiment"} == tags


def ask(gateway, **headers):
    with RawClient(gateway.port) as client:
        client.request(PATH, CHAT, **AUTH, **headers)
        return client.answer()


RULES = """
[tags]
required = ["environment"]
defaults = { environment = "dev" }
patterns = { customer = "c-[0-9]+" }
[[tag_rules]]
name = "search-production"
match = { team = "search", environment = "prod*" }
required = ["customer", "task"]
on_missing = "reject"
"""


def test_refused(gateway_for, provider):
    """A refusal names what is missing and who asks; its row has the tags that were given."""
    with gateway_for(provider, top=RULES) as gateway:
        got = ask(gateway, x_bursar_environment="production", x_bursar_customer="acme")
        row = gateway.recorder.wait(1)[0]

    assert (400, "missing_tags") == (got.status, json.loads(got.body)["error"]["code"])
    assert (
        "This request is not tagged as required. customer may not be 'acme': send x-bursar-customer, of the pattern "
        "c-[0-9]+ (asked for by [tags]); task is missing: send x-bursar-task (asked for by [[tag_rules]] "
        "'search-production')."
    ) == json.loads(got.body)["error"]["message"]
    assert (Outcome.REFUSED, "search") == (row.outcome, row.facts.principal.team)
    assert (("customer", "acme"), ("environment", "production")) == row.facts.tags
    assert [] == provider.received


def test_admitted(gateway_for, provider):
    """With what its rules ask for, and without a rule that matches, a request goes through unmarked."""
    with gateway_for(provider, top=RULES) as gateway:
        got = ask(gateway, x_bursar_environment="production", x_bursar_customer="c-7", x_bursar_task="t")
        other = ask(gateway)
        rows = gateway.recorder.wait(2)
        counted = gateway.gateway.counts.untagged

    assert (200, 200) == (got.status, other.status)
    assert [{"customer": "c-7", "environment": "production"}, {"environment": "dev"}] == [
        dict(row.facts.tags) for row in rows
    ]
    assert 0 == counted


def test_marked(gateway_for, provider):
    """Where no rule says reject, the row lists what is lacking, and the worker counts it."""
    top = '[tags]\nrequired = ["feature", "team"]\n'
    with gateway_for(provider, top=top) as gateway:
        got = ask(gateway, x_bursar_workload="Prod", x_bursar_untagged="nothing")
        row = gateway.recorder.wait(1)[0]
        counted = gateway.gateway.counts.untagged

    assert 200 == got.status
    assert (("untagged", "feature,workload"),) == row.facts.tags
    assert 1 == counted


def test_nothing_required(gateway_for, provider):
    """Without rules nothing is asked for; built-in tags are taken in any spelling, and with no value but their own."""
    with gateway_for(provider) as gateway:
        ask(gateway, x_bursar_traffic="User_Facing", x_bursar_workload="experiment")
        ask(gateway, x_bursar_workload="prod")
        rows = gateway.recorder.wait(2)

    assert [
        (("traffic", "user-facing"), ("workload", "experiment")),
        (("untagged", "workload"),),
    ] == [row.facts.tags for row in rows]


def test_documented_example(gateway_for, provider):
    """The rules that `docs/tags.md` shows refuse the way it says."""
    page = Path(__file__).parents[2] / "docs" / "tags.md"
    rules, refusal = [one.text for one in blocks_of(page) if one.language in {"toml", "text"}]
    with gateway_for(provider, top=rules) as gateway:
        got = ask(gateway, x_bursar_environment="production", x_bursar_traffic="background")
        ask(gateway, x_bursar_environment="dev-ann")
        rows = gateway.recorder.wait(2)

    assert " ".join(refusal.split()) == json.loads(got.body)["error"]["message"]
    assert (("environment", "dev-ann"), ("untagged", "feature"), ("workload", "experiment")) == rows[1].facts.tags
