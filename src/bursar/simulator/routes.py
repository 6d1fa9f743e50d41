"""Which endpoint a method and path name, in which dialect; the tables are the list of what the simulator speaks."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from bursar.simulator import (
    anthropic_messages,
    bedrock,
    bedrock_invoke,
    gemini,
    openai_audio,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_images,
    openai_responses,
)
from bursar.simulator.anthropic_models import list_anthropic_models
from bursar.simulator.exchange import Call, Problem, Reply
from bursar.simulator.generation import Request
from bursar.simulator.openai_errors import Refusal, azure_refusal, openai_refusal

Handler = Callable[[Request], Reply]
Refuse = Callable[[Problem, str], Refusal]


class Route(Struct, frozen=True):
    """One endpoint."""

    dialect: str
    operation: str
    handler: Handler
    refuse: Refuse
    request_id_header: bytes
    billable: bool = True
    """Free endpoints count tokens or list things."""


def _openai(operation: str, handler: Handler, *, billable: bool = True) -> Route:
    return Route("openai", operation, handler, openai_refusal, b"x-request-id", billable)


def _anthropic(operation: str, handler: Handler, *, billable: bool = True) -> Route:
    return Route("anthropic", operation, handler, anthropic_messages.anthropic_refusal, b"request-id", billable)


def _gemini(operation: str, handler: Handler, *, billable: bool = True) -> Route:
    return Route("gemini", operation, handler, gemini.gemini_refusal, b"x-request-id", billable)


def _bedrock(operation: str, handler: Handler, *, billable: bool = True) -> Route:
    return Route("bedrock", operation, handler, bedrock.bedrock_refusal, b"x-amzn-requestid", billable)


_OPENAI: Final[Mapping[str, Route]] = {
    "/chat/completions": _openai("chat.completions", openai_chat.chat_completions),
    "/responses": _openai("responses", openai_responses.responses),
    "/responses/input_tokens": _openai("responses.input_tokens", openai_responses.input_tokens, billable=False),
    "/completions": _openai("completions", openai_completions.completions),
    "/embeddings": _openai("embeddings", openai_embeddings.embeddings),
    "/images/generations": _openai("images.generations", openai_images.generations),
    "/images/edits": _openai("images.edits", openai_images.edits),
    "/audio/transcriptions": _openai("audio.transcriptions", openai_audio.transcriptions),
    "/audio/translations": _openai("audio.translations", openai_audio.translations),
    "/audio/speech": _openai("audio.speech", openai_audio.speech),
    "/moderations": _openai("moderations", openai_embeddings.moderations, billable=False),
}

_ANTHROPIC: Final[Mapping[str, Route]] = {
    "/messages": _anthropic("messages", anthropic_messages.messages),
    "/messages/count_tokens": _anthropic(
        "messages.count_tokens", anthropic_messages.count_tokens_of_messages, billable=False
    ),
}

_GEMINI: Final[Mapping[str, Route]] = {
    "generateContent": _gemini("generateContent", gemini.generate_content),
    "streamGenerateContent": _gemini("streamGenerateContent", gemini.stream_generate_content),
    "countTokens": _gemini("countTokens", gemini.count_tokens_of_contents, billable=False),
    "embedContent": _gemini("embedContent", gemini.embed_content),
    "batchEmbedContents": _gemini("batchEmbedContents", gemini.batch_embed_contents),
}

_BEDROCK: Final[Mapping[str, Route]] = {
    "converse": _bedrock("converse", bedrock.converse),
    "converse-stream": _bedrock("converse-stream", bedrock.converse_stream),
    "invoke": _bedrock("invoke", bedrock_invoke.invoke),
    "invoke-with-response-stream": _bedrock("invoke-with-response-stream", bedrock_invoke.invoke_with_response_stream),
    "count-tokens": _bedrock("count-tokens", bedrock.count_tokens_of_converse, billable=False),
}

_OPENAI_MODELS: Final = _openai("models", openai_embeddings.list_models, billable=False)
_OPENAI_MODEL: Final = _openai("models.retrieve", openai_embeddings.retrieve_model, billable=False)
_ANTHROPIC_MODELS: Final = _anthropic("models", list_anthropic_models, billable=False)
_GEMINI_MODELS: Final = _gemini("models", gemini.list_gemini_models, billable=False)

_AZURE_PATH: Final = re.compile(r"/openai/deployments/(?P<subject>[^/]+)(?P<rest>/.+)")
_GEMINI_PATH: Final = re.compile(
    r"/v1(?:beta1?)?/(?:projects/[^/]+/locations/[^/]+/publishers/google/)?models/(?P<subject>[^/:]+):(?P<rest>\w+)"
)
_BEDROCK_PATH: Final = re.compile(r"/model/(?P<subject>.+)/(?P<rest>[\w-]+)")


def find(call: Call) -> tuple[Route, Call]:
    """The endpoint of a call, and the call with the model its path names; an unknown path gets a route that says so."""
    found = _posted(call) if call.method == "POST" else _fetched(call) if call.method == "GET" else None
    if found is None:
        return _UNKNOWN, call
    route, subject = found
    return route, msgspec.structs.replace(call, subject=subject) if subject else call


def _posted(call: Call) -> tuple[Route, str] | None:
    path = call.path
    if path.startswith("/v1/"):
        route = _OPENAI.get(path[3:]) or _ANTHROPIC.get(path[3:])
        if route is not None:
            return route, ""
    if path.startswith("/openai/v1/"):
        return _azure(_OPENAI.get(path[10:]), "")
    for pattern, table in ((_GEMINI_PATH, _GEMINI), (_BEDROCK_PATH, _BEDROCK)):
        matched = pattern.fullmatch(path)
        if matched and matched["rest"] in table:
            return table[matched["rest"]], matched["subject"]
    matched = _AZURE_PATH.fullmatch(path)
    return _azure(_OPENAI.get(matched["rest"]), matched["subject"]) if matched else None


def _azure(route: Route | None, subject: str) -> tuple[Route, str] | None:
    if route is None:
        return None
    return msgspec.structs.replace(
        route, dialect="azure", refuse=azure_refusal, request_id_header=b"apim-request-id"
    ), subject


def _fetched(call: Call) -> tuple[Route, str] | None:
    match call.path:
        case "/v1/models":
            return (_ANTHROPIC_MODELS if "anthropic-version" in call.headers else _OPENAI_MODELS), ""
        case "/v1beta/models":
            return _GEMINI_MODELS, ""
        case path if path.startswith("/v1/models/"):
            return _OPENAI_MODEL, path.removeprefix("/v1/models/")
        case _:
            return None


def _unknown(request: Request) -> Reply:
    call = request.call
    raise Problem("not_found", f"Invalid URL ({call.method} {call.path})", code="unknown_url")


_UNKNOWN: Final = _openai("unknown", _unknown, billable=False)
