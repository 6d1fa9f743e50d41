"""boto3's Bedrock runtime client, unmodified, against the gateway."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from bursar.events import Outcome, PriceStatus
from support.authorities import Authority
from support.books import PROVIDER_ID, PROVIDER_KEY, Books
from support.gateway import GatewayThread
from support.simulator import RunningSimulator
from support.terminator import terminating

KEY = "vk-clients"
MODEL = "anthropic.claude-haiku-4-5-20251001-v1:0"
ASK = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "How do I reconcile an invoice?"}]}]}
INVOKE = {
    "modelId": MODEL,
    "body": json.dumps(
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 300,
            "messages": [{"role": "user", "content": "How do I reconcile an invoice?"}],
        }
    ),
}
WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    }
}


def connect(endpoint: str, key: str = KEY, **config: Any) -> Any:
    """A client that signs with the virtual key as its access key id; the secret is of no account."""
    settings = Config(retries={"total_max_attempts": config.pop("attempts", 1)}, **config)
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="unused",
        config=settings,
    )


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS settings of this machine."""
    for name in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def client(gateway: GatewayThread) -> Iterator[Any]:
    """A client of the gateway."""
    made = connect(f"{gateway.url}/bedrock")
    yield made
    made.close()


@pytest.fixture
def direct(provider: RunningSimulator) -> Iterator[Any]:
    """The same client without a gateway between."""
    made = connect(provider.base_url, "direct")
    yield made
    made.close()


@pytest.fixture
def sending() -> Callable[..., None]:
    """Adds headers to every request of a client, the way boto3 offers."""

    def add(client: Any, **headers: str) -> None:
        def before_call(params: dict[str, Any], **_: Any) -> None:
            params["headers"].update({name.replace("_", "-"): value for name, value in headers.items()})

        client.meta.events.register("before-call.bedrock-runtime.*", before_call)

    return add


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer says, without HTTP headers and measured time."""
    return {name: value for name, value in answer.items() if name not in ("ResponseMetadata", "metrics")}


def events_of(stream: Any) -> list[dict[str, Any]]:
    """A stream's events without measured time."""
    return [{"metadata": plain(event["metadata"])} if "metadata" in event else event for event in stream["stream"]]


def test_converse(client: Any, direct: Any, books: Books) -> None:
    """An answer is the provider's own; cost and request id stand in the headers that boto3 keeps."""
    answer = client.converse(**ASK)
    row, entry = books.one()
    headers = answer["ResponseMetadata"]["HTTPHeaders"]

    assert plain(direct.converse(**ASK)) == plain(answer)
    assert headers["x-bursar-request-id"] == row.facts.call_id
    assert round(float(headers["x-bursar-cost-usd"]) * 10**12) == row.cost
    assert entry.credential == PROVIDER_ID


def test_bearer_token(gateway: GatewayThread, books: Books, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Bedrock API key in the environment is a virtual key; boto3 sends one over TLS only."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    authority = Authority(tmp_path)
    with terminating(gateway.port, authority.serving("localhost")) as address:
        for mount in ("bedrock", "providers/bedrock-token"):
            client = boto3.client(
                "bedrock-runtime", endpoint_url=f"{address}/{mount}", region_name="us-east-1", verify=authority.file
            )
            client.converse(**ASK)
            client.close()
    first, second = books.booked(2)

    assert (first.entry.credential, second.entry.credential) == (PROVIDER_ID, PROVIDER_KEY)
    assert (first.facts.principal.key, second.facts.principal.key) == ("clients", "clients")


def test_callers_signature_stays_here(gateway: GatewayThread, books: Books) -> None:
    """Nothing of the caller's own signature reaches a provider that takes a token."""
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{gateway.url}/providers/bedrock-token",
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key="unused",
        aws_session_token="session",
    )
    client.converse(**ASK)
    client.close()
    entry = books.one().entry

    assert not {"x-amz-security-token", "x-amz-date", "x-amz-content-sha256"} & set(entry.header_names)


def test_tags(client: Any, sending: Callable[..., None], books: Books) -> None:
    """Tags come from headers that an event hook adds, and from the request's metadata."""
    sending(client, x_bursar_feature="chat", x_bursar_task="task-7")
    client.converse(**ASK, requestMetadata={"customer": "acme"})
    facts = books.one().facts

    assert (facts.tags, facts.task) == ((("customer", "acme"), ("feature", "chat")), "task-7")


def test_converse_stream(client: Any, direct: Any, books: Books) -> None:
    """A binary event stream arrives event for event as the provider sends it."""
    events = events_of(client.converse_stream(**ASK))
    books.one()

    assert events_of(direct.converse_stream(**ASK)) == events


def test_invoke(client: Any, direct: Any, books: Books) -> None:
    """InvokeModel with a vendor's own body."""
    answer = json.loads(client.invoke_model(**INVOKE)["body"].read())
    books.one()
    expected = json.loads(direct.invoke_model(**INVOKE)["body"].read())

    assert {**expected, "id": ""} == {**answer, "id": ""}


def test_invoke_stream(client: Any, books: Books) -> None:
    """InvokeModel streamed: the vendor's events inside Bedrock's."""
    stream = client.invoke_model_with_response_stream(**INVOKE)
    events = [json.loads(event["chunk"]["bytes"]) for event in stream["body"]]
    books.one()

    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")


def test_embedding(client: Any, books: Books) -> None:
    """Titan embeddings through InvokeModel."""
    body = json.dumps({"inputText": "hello there", "dimensions": 256})
    answer = client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=body)
    vector = json.loads(answer["body"].read())["embedding"]
    books.one()

    assert len(vector) == 256


def test_inference_profiles(client: Any, books: Books) -> None:
    """Region prefixes and ARNs, whose slashes boto3 escapes, are metered under the model's name."""
    profile = f"us.{MODEL}"
    client.converse(**{**ASK, "modelId": profile})
    client.converse(**{**ASK, "modelId": f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{profile}"})

    assert [row.facts.model for row in books.rows(2)] == [profile, profile]


def test_tools(client: Any, books: Books) -> None:
    """A tool call and its result make a round trip."""
    messages = [{"role": "user", "content": [{"text": "What is the weather in Oslo?"}]}]
    ask = {"modelId": MODEL, "toolConfig": {"tools": [WEATHER]}}
    asked = client.converse(**ask, messages=messages)["output"]["message"]
    (used,) = [block["toolUse"] for block in asked["content"] if "toolUse" in block]
    result = {"toolUseId": used["toolUseId"], "content": [{"text": "12 degrees"}]}
    messages += [asked, {"role": "user", "content": [{"toolResult": result}]}]
    answered = client.converse(**ask, messages=messages)
    books.booked(2)

    assert (used["name"], answered["stopReason"]) == ("get_weather", "end_turn")


def test_image(client: Any, books: Books) -> None:
    """An image in the prompt is billed as the provider counts it."""
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n" + bytes(32)}}}
    client.converse(modelId=MODEL, messages=[{"role": "user", "content": [image, {"text": "What is this?"}]}])

    assert books.one().entry.quantities["input_text"] > 1000


def test_count_tokens(client: Any, books: Books) -> None:
    """Token counts are recorded and cost nothing."""
    counted = client.count_tokens(modelId=MODEL, input={"converse": {"messages": ASK["messages"]}})
    row = books.one().row

    assert counted["inputTokens"] > 0
    assert row.price_status == PriceStatus.NOT_BILLED


def test_wrong_key(gateway: GatewayThread, books: Books) -> None:
    """A wrong virtual key is AWS's exception for a caller without access, with our request id."""
    client = connect(f"{gateway.url}/bedrock", "AKIANOTOURS")
    with pytest.raises(client.exceptions.AccessDeniedException, match="virtual key") as caught:
        client.converse(**ASK)
    client.close()

    assert caught.value.response["ResponseMetadata"]["RequestId"] == books.refused().facts.call_id


def test_unmetered_route(client: Any, books: Books) -> None:
    """A route that cannot be metered is not found, and says why."""
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="cannot be metered"):
        client.list_async_invokes()

    assert books.refused().error == "route_not_metered"


@pytest.mark.parametrize(
    ("fault", "name"),
    [("ratelimit", "ThrottlingException"), ("error500", "InternalServerException")],
)
def test_provider_error(client: Any, sending: Callable[..., None], books: Books, fault: str, name: str) -> None:
    """The provider's own error raises what it raises without a gateway."""
    sending(client, x_sim_fault=fault)
    with pytest.raises(getattr(client.exceptions, name)):
        client.converse(**ASK)
    row, entry = books.one()

    assert (entry.fault, row.outcome) == (fault, Outcome.ERROR)


def test_bad_requests(client: Any, books: Books) -> None:
    """A request the provider rejects."""
    with pytest.raises(client.exceptions.ValidationException):
        client.converse(modelId=MODEL, messages=[])

    assert books.one().row.outcome == Outcome.ERROR


def test_retries(gateway: GatewayThread, sending: Callable[..., None], books: Books) -> None:
    """Each of boto3's own retries is a call and a row of its own."""
    client = connect(f"{gateway.url}/bedrock", attempts=2)
    sending(client, x_sim_fault="error500")
    with pytest.raises(ClientError):
        client.converse(**ASK)
    client.close()
    first, second = books.booked(2)

    assert first.facts.call_id != second.facts.call_id


def test_timeout(gateway: GatewayThread, sending: Callable[..., None], books: Books) -> None:
    """A client that gives up has its call metered to the end."""
    client = connect(f"{gateway.url}/bedrock", read_timeout=0.2)
    sending(client, x_sim_latency_ms="1500")
    with pytest.raises(ReadTimeoutError):
        client.converse(**ASK)
    client.close()

    assert books.one().row.outcome == Outcome.HANGUP


def test_hangup(gateway: GatewayThread, sending: Callable[..., None], books: Books) -> None:
    """A client that leaves in the middle of a stream is charged what the provider charges."""
    client = connect(f"{gateway.url}/providers/slow-bedrock")
    sending(client, x_sim_output_tokens="400")
    stream = client.converse_stream(**ASK)["stream"]
    next(iter(stream))
    stream.close()
    client.close()
    row, entry = books.one()

    assert (row.outcome, entry.client_left) == (Outcome.HANGUP, False)
    assert entry.quantities["output_text"] == 400
