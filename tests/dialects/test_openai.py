"""The OpenAI dialect as a whole: routes, small endpoints, errors, Azure."""

import json

import pytest

from bursar.dialects.flavours import FLAVOURS
from bursar.dialects.registry import dialect_for
from bursar.errors import Refusal
from bursar.events import UsageStatus
from bursar.usage import Meter, usage_of
from support.taps import answer, ask, run
from support.wire import recordings

OPENAI = dialect_for("openai")
AZURE = dialect_for("azure")
USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


@pytest.mark.parametrize(
    ("method", "path", "operation", "billable"),
    [
        ("POST", "/chat/completions", "chat.completions", True),
        ("POST", "/completions", "completions", True),
        ("POST", "/embeddings", "embeddings", True),
        ("POST", "/images/generations", "images.generations", True),
        ("POST", "/images/edits", "images.edits", True),
        ("POST", "/images/variations", "images.variations", True),
        ("POST", "/audio/transcriptions", "audio.transcriptions", True),
        ("POST", "/audio/translations", "audio.translations", True),
        ("POST", "/audio/speech", "audio.speech", True),
        ("POST", "/moderations", "moderations", False),
        ("GET", "/models", "models.list", False),
        ("GET", "/models/gpt-5", "models.retrieve", False),
        ("GET", "/models/ft:gpt-4o:org::id", "models.retrieve", False),
        ("GET", "/models/ft%3Agpt-4o", "models.retrieve", False),
        ("GET", "/models/meta-llama/llama-3.3", "models.retrieve", False),
        ("POST", "/responses", "responses", True),
        ("GET", "/responses/resp_1", "responses.retrieve", True),
        ("DELETE", "/responses/resp_1", "responses.delete", False),
        ("POST", "/responses/resp_1/cancel", "responses.cancel", True),
        ("GET", "/responses/resp_1/input_items", "responses.input_items", False),
        ("POST", "/responses/input_tokens", "responses.input_tokens", False),
        ("POST", "/responses/compact", "responses.compact", True),
    ],
)
def test_metered_route(method, path, operation, billable):
    """Every metered route has its stable operation name and goes upstream as it came."""
    endpoint = OPENAI.match(method, path)

    assert endpoint is not None
    assert (endpoint.operation, endpoint.billable, endpoint.upstream_path) == (operation, billable, path)
    assert endpoint.dialect == "openai"


def test_model_of_a_listing():
    """A model in the path is named as requests name it."""
    endpoint = OPENAI.match("GET", "/models/meta%2Fllama%3Afree")

    assert endpoint is not None
    assert endpoint.path_model == "meta/llama:free"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/files"),
        ("GET", "/files"),
        ("POST", "/batches"),
        ("GET", "/realtime"),
        ("POST", "/realtime/sessions"),
        ("POST", "/fine_tuning/jobs"),
        ("POST", "/assistants"),
        ("POST", "/threads/t/runs"),
        ("POST", "/vector_stores"),
        ("POST", "/videos"),
        ("POST", "/conversations"),
        ("POST", "/responses/resp_1"),
        ("POST", "/responses/resp_1/cancel/x"),
        ("GET", "/responses/../files"),
        ("GET", "/responses/%2e%2e"),
        ("GET", "/responses/a/b"),
        ("GET", "/models/../files"),
        ("GET", "/models/.."),
        ("GET", "/models/a/../../files"),
        ("GET", "/models/%2e%2e%2ffiles"),
        ("GET", "/models/a%2f..%2f..%2ffiles"),
        ("GET", "/models/a\n"),
        ("DELETE", "/models/ft:mine"),
        ("GET", "/chat/completions"),
        ("POST", "/chat/completions/"),
        ("POST", "//chat/completions"),
        ("POST", "/chat/completions?x=1"),
        ("POST", "/CHAT/COMPLETIONS"),
        ("POST", ""),
        ("POST", "/"),
    ],
)
def test_denied_route(method, path):
    """What is not metered is not an endpoint."""
    assert OPENAI.match(method, path) is None


@pytest.mark.parametrize(
    ("method", "path", "operation", "model"),
    [
        ("POST", "/openai/deployments/my-gpt.4/chat/completions", "chat.completions", "my-gpt.4"),
        ("POST", "/openai/deployments/emb/embeddings", "embeddings", "emb"),
        ("POST", "/openai/v1/chat/completions", "chat.completions", None),
        ("POST", "/openai/v1/responses", "responses", None),
        ("GET", "/openai/v1/responses/resp_1", "responses.retrieve", None),
        ("POST", "/openai/responses", "responses", None),
        ("GET", "/openai/models", "models.list", None),
    ],
)
def test_azure_route(method, path, operation, model):
    """Azure's two generations of paths; the deployment stands in for the model."""
    endpoint = AZURE.match(method, path)

    assert endpoint is not None
    assert (endpoint.operation, endpoint.path_model, endpoint.upstream_path) == (operation, model, path)
    assert endpoint.dialect == "azure"


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/openai/deployments/../chat/completions",
        "/openai/deployments/d/responses",
        "/openai/deployments/d/../../files",
        "/openai/deployments/d/x/chat/completions",
        "/openai/files",
        "/openai/v1/files",
        "/openai/chat/completions",
    ],
)
def test_azure_denied_route(path):
    """What is not metered on Azure is not an endpoint."""
    assert AZURE.match("POST", path) is None


def test_azure_deployment_is_the_model():
    """The deployment of the path counts, whatever the body says; streams ask for usage as on OpenAI."""
    _, request = ask(AZURE, "/openai/deployments/d1/chat/completions", b'{"model":"x","stream":true}')

    assert (request.model, request.strip_usage) == ("d1", True)


def test_completion_request():
    """The cap covers every answer that is generated: best_of, for each of the prompts."""
    body = {"model": "m", "prompt": ["a", "b", "c"], "max_tokens": 10, "n": 2, "best_of": 4, "stream": True}

    _, request = ask(OPENAI, "/completions", json.dumps(body).encode())

    assert request.max_output_tokens == 120
    assert json.loads(request.body)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(("prompt", "cap"), [("a", 10), ([1, 2, 3], 10), ([[1], [2, 3]], 20), ([], 10), (None, 10)])
def test_completion_prompts(prompt, cap):
    """A list of tokens is one prompt, a list of lists is many."""
    body = {"model": "m", "prompt": prompt, "max_tokens": 10}

    assert ask(OPENAI, "/completions", json.dumps(body).encode())[1].max_output_tokens == cap


def test_completion_stream():
    """Legacy streams are withheld, read and estimated like chat."""
    asked = ask(OPENAI, "/completions", b'{"model":"m","prompt":"x","stream":true}')
    said = b'data: {"id":"c","model":"m-1","choices":[{"text":"12345678","finish_reason":"stop"}]}\n\n'
    usage = b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n"

    def taken(stream: bytes):
        return run(OPENAI.tap(*asked, status=200, content_type="text/event-stream", headers={}), [stream])

    out, reading = taken(said + usage + b"data: [DONE]\n\n")
    assert out == said + b"data: [DONE]\n\n"
    assert reading.usage == usage_of({Meter.INPUT_TEXT: 10, Meter.OUTPUT_TEXT: 4})
    estimated = taken(said)[1]
    assert (estimated.status, estimated.complete) == (UsageStatus.ESTIMATED, True)
    assert estimated.usage is not None
    assert estimated.usage.output_tokens == 2


def test_embedding_without_usage():
    """Embeddings without usage are missing: token inputs cannot be estimated from text."""
    asked = ask(OPENAI, "/embeddings", b'{"model":"m","input":[1,2]}')

    reading = answer(OPENAI, asked, b'{"data":[]}')

    assert (reading.usage, reading.status, asked[1].max_output_tokens) == (None, UsageStatus.MISSING, 0)


@pytest.mark.parametrize(("method", "path"), [("GET", "/models"), ("GET", "/responses/r/input_items")])
def test_unbilled_route(method, path):
    """Listings are recorded with nothing billed, even where they mention usage."""
    endpoint = OPENAI.match(method, path)
    assert endpoint is not None
    asked = endpoint, OPENAI.read(endpoint, "", b"")

    reading = answer(OPENAI, asked, json.dumps({"data": [], "usage": USAGE}).encode())

    assert (reading.usage, reading.status, reading.error) == (None, UsageStatus.NONE, None)


def test_moderation():
    """Moderations cost nothing and may go without a model."""
    asked = ask(OPENAI, "/moderations", b'{"input":"x"}')

    reading = answer(OPENAI, asked, b'{"id":"m","model":"omni-moderation-latest","results":[]}')

    assert (reading.usage, reading.status, reading.model) == (None, UsageStatus.NONE, "omni-moderation-latest")
    with pytest.raises(Refusal):
        ask(OPENAI, "/moderations", b"[]")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "insufficient_quota"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (429, "rate_limit_error"),
        (502, "server_error"),
    ],
)
def test_error(status, kind):
    """An error has OpenAI's shape, with our code and the request's id."""
    headers, body = OPENAI.error(status=status, code="budget_exceeded", message="m", request_id="r-1")

    assert json.loads(body) == {"error": {"message": "m", "type": kind, "param": None, "code": "budget_exceeded"}}
    assert headers == ((b"content-type", b"application/json"), (b"x-request-id", b"r-1"))


@pytest.mark.parametrize("name", sorted(FLAVOURS))
def test_registry(name):
    """Every flavour of the configuration has its dialect, by its own name."""
    assert dialect_for(name).name == name


@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/responses", "/embeddings", "/images/edits"])
def test_bad_answers(path):
    """Whatever a provider answers, the client gets it and the meter says something true of it."""
    asked = ask(OPENAI, path, b'{"model":"m","stream":true}')
    for recording in recordings("bad_inputs"):
        body = recording.response_body
        for content_type in ("application/json", "text/event-stream", "text/html"):
            for status in (200, 400, 500):
                whole = OPENAI.tap(*asked, status=status, content_type=content_type, headers={})
                bytewise = OPENAI.tap(*asked, status=status, content_type=content_type, headers={})
                out, reading = run(whole, [body])

                assert out == body
                assert (out, reading) == run(bytewise, [body[i : i + 1] for i in range(len(body))])
                assert status == 200 or reading.status is UsageStatus.NONE


def outcome_of(path: str, body: bytes) -> str:
    try:
        _, request = ask(OPENAI, path, body)
    except Refusal as refused:
        return refused.code
    return "changed" if request.changes else "same" if request.body is body else "replaced"


def test_bad_requests():
    """Requests made for other providers or broken on purpose are read or refused, nothing else."""
    for recording in recordings("bad_inputs"):
        for path in ("/chat/completions", "/completions", "/responses", "/embeddings", "/audio/speech"):
            assert outcome_of(path, recording.response_body) in {"invalid_request", "same", "changed"}
