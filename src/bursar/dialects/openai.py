"""The OpenAI API and everything that speaks its format: routes, dispatch, errors.

Routes are denied by default: a path that is not listed here has no meter, so it is not an endpoint. Files, batches,
fine-tuning, assistants, vector stores and realtime sessions are among those.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from bursar.dialects.base import Endpoint, ErrorAnswer, Reading, Request, Tap
from bursar.dialects.flavours import OPENAI, Flavour
from bursar.dialects.openai_audio import (
    SpeechStream,
    TranscriptStream,
    characters,
    read_speech,
    read_transcription,
    read_transcription_answer,
)
from bursar.dialects.openai_chat import ChatStream, read_chat, read_chat_answer
from bursar.dialects.openai_completions import CompletionStream, read_completion, read_completion_answer
from bursar.dialects.openai_embeddings import read_embedding, read_embedding_answer
from bursar.dialects.openai_images import ImageStream, read_image, read_image_answer
from bursar.dialects.openai_models import read_bare, unbilled_reading
from bursar.dialects.openai_moderations import read_moderation
from bursar.dialects.openai_responses import ResponseReader, read_response, read_responses
from bursar.dialects.openai_stream import WithholdingTap
from bursar.dialects.output_cap import Place, with_cap
from bursar.dialects.payloads import PayloadReader, PayloadStream
from bursar.dialects.sse import SseParser
from bursar.dialects.taps import BodyTap, StreamTap

_POSTS: Final[Mapping[str, str]] = {
    "/chat/completions": "chat.completions",
    "/completions": "completions",
    "/responses": "responses",
    "/responses/compact": "responses.compact",
    "/responses/input_tokens": "responses.input_tokens",
    "/embeddings": "embeddings",
    "/images/generations": "images.generations",
    "/images/edits": "images.edits",
    "/images/variations": "images.variations",
    "/audio/transcriptions": "audio.transcriptions",
    "/audio/translations": "audio.translations",
    "/audio/speech": "audio.speech",
    "/moderations": "moderations",
}

_RESPONSE: Final = re.compile(r"/responses/[A-Za-z0-9_-]+(?P<rest>/cancel|/input_items)?")
_NAME: Final = r"(?:[\w:@~-]|%3A|%40)(?:[\w.:@~-]|%3A|%40)*"
"""One segment of a model's name: no leading dot, so that no spelling of ``..`` leaves the listing."""
_MODEL: Final = re.compile(rf"/models/(?P<model>{_NAME}(?:(?:/|%2F){_NAME})*)", re.ASCII | re.IGNORECASE)

_RESPONSE_ROUTES: Final[Mapping[tuple[str, str | None], str]] = {
    ("GET", None): "responses.retrieve",
    ("DELETE", None): "responses.delete",
    ("POST", "/cancel"): "responses.cancel",
    ("GET", "/input_items"): "responses.input_items",
}

ROUTES: Final = (
    *(("POST", path) for path in _POSTS),
    *((method, f"/responses/{{id}}{rest or ''}") for method, rest in _RESPONSE_ROUTES),
    ("GET", "/models"),
    ("GET", "/models/{model}"),
)

_UNBILLED: Final = frozenset(
    {
        "responses.input_tokens",
        "responses.delete",
        "responses.input_items",
        "moderations",
        "models.list",
        "models.retrieve",
    }
)

_ERROR_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
"""Error types by status; other 4xx are ``invalid_request_error`` and 5xx ``server_error`` (OpenAI, "Error codes", read
2026-11). The official SDKs choose the exception by HTTP status."""


class OpenAI:
    """The OpenAI wire format, in one provider's flavour."""

    routes: tuple[tuple[str, str], ...] = ROUTES

    def __init__(self, flavour: Flavour = OPENAI) -> None:
        self.name: str = flavour.name
        self._flavour = flavour
        self._posts = {
            path: Endpoint(flavour.name, operation, path, billable=operation not in _UNBILLED)
            for path, operation in _POSTS.items()
        }

    def match(self, method: str, path: str) -> Endpoint | None:
        if method == "POST" and path in self._posts:
            return self._posts[path]
        if found := _RESPONSE.fullmatch(path):
            operation = _RESPONSE_ROUTES.get((method, found["rest"]), "")
            return Endpoint(self.name, operation, path, billable=operation not in _UNBILLED) if operation else None
        if method == "GET" and path == "/models":
            return Endpoint(self.name, "models.list", path, billable=False)
        if method == "GET" and (found := _MODEL.fullmatch(path)):
            return Endpoint(self.name, "models.retrieve", path, billable=False, path_model=unquote(found["model"]))
        return None

    def read(self, endpoint: Endpoint, content_type: str, body: bytes) -> Request:
        if endpoint.operation == "moderations":
            request = read_moderation(body)
        elif endpoint.operation in _FORMATS:
            request = _FORMATS[endpoint.operation].request(content_type, body, self._flavour)
        else:
            request = read_bare(body)
        if endpoint.path_model is not None and request.model != endpoint.path_model:
            request = msgspec.structs.replace(request, model=endpoint.path_model)
        return request

    def with_output_cap(self, endpoint: Endpoint, request: Request, tokens: int) -> Request | None:
        match endpoint.operation:
            case "chat.completions":
                names = ("max_completion_tokens", "max_tokens")
                return with_cap(request, Place(names if self._flavour.chat_cap in names[:1] else names[::-1]), tokens)
            case "completions":
                return with_cap(request, Place(("max_tokens",)), tokens)
            case "responses" if tokens >= _LEAST_RESPONSE:
                return with_cap(request, Place(("max_output_tokens",)), tokens)
            case _:
                return None

    def tap(
        self, endpoint: Endpoint, request: Request, *, status: int, content_type: str, headers: Mapping[str, str]
    ) -> Tap:
        if status not in _SUCCESS or endpoint.operation in _UNBILLED:
            return BodyTap(lambda body, complete: unbilled_reading(body, status=status, complete=complete))
        form = _FORMATS[endpoint.operation]
        if "event-stream" in content_type or (request.stream and "json" not in content_type):
            reader = form.stream(request, self._flavour)
            return WithholdingTap(reader) if request.strip_usage else StreamTap(PayloadStream(SseParser(), reader))
        if form is _SPEECH:
            return _UnreadTap(request)
        return BodyTap(lambda body, complete: form.answer(body, request, self._flavour, complete))

    def error(self, *, status: int, code: str, message: str, request_id: str) -> ErrorAnswer:
        kind = _ERROR_TYPES.get(status, "server_error" if status >= _SERVER_ERROR else "invalid_request_error")
        body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
        headers = ((b"content-type", b"application/json"), (b"x-request-id", request_id.encode()))
        return headers, msgspec.json.encode(body)


_LEAST_RESPONSE: Final = 16
"""The least ``max_output_tokens`` of a response (OpenAI API reference, "Create a model response", read 2026-11)."""

_SUCCESS: Final = range(200, 300)
_SERVER_ERROR: Final = 500


class _Format(Struct, frozen=True):
    """How one operation is read: its request, its streamed and its unstreamed answers."""

    request: Callable[[str, bytes, Flavour], Request]
    """From content type and body."""
    stream: Callable[[Request, Flavour], PayloadReader]
    answer: Callable[[bytes, Request, Flavour, bool], Reading]
    """From the body and whether it is complete."""


_CHAT: Final = _Format(
    lambda _, body, flavour: read_chat(body, flavour),
    ChatStream,
    lambda body, request, flavour, complete: read_chat_answer(body, request, flavour, complete=complete),
)
_COMPLETIONS: Final = _Format(
    lambda _, body, flavour: read_completion(body, flavour),
    CompletionStream,
    lambda body, request, flavour, complete: read_completion_answer(body, request, flavour, complete=complete),
)
_RESPONSES: Final = _Format(
    lambda _, body, flavour: read_responses(body, flavour),
    ResponseReader,
    lambda body, request, flavour, complete: read_response(body, request, flavour, complete=complete),
)
_RETRIEVED: Final = _Format(
    lambda _, body, _flavour: read_bare(body),
    lambda request, flavour: ResponseReader(request, flavour, retrieved=True),
    lambda body, request, flavour, complete: read_response(body, request, flavour, retrieved=True, complete=complete),
)
_EMBEDDINGS: Final = _Format(
    lambda _, body, flavour: read_embedding(body, flavour),
    CompletionStream,  # nobody streams embeddings; a provider that did would send its usage in a chunk like these
    lambda body, request, flavour, complete: read_embedding_answer(body, request, flavour, complete=complete),
)
_IMAGES: Final = _Format(
    lambda content_type, body, _: read_image(content_type, body),
    ImageStream,
    lambda body, request, flavour, complete: read_image_answer(body, request, flavour, complete=complete),
)
_TRANSCRIPTS: Final = _Format(
    lambda content_type, body, _: read_transcription(content_type, body),
    TranscriptStream,
    lambda body, request, flavour, complete: read_transcription_answer(body, request, flavour, complete=complete),
)
_SPEECH: Final = _Format(
    lambda _, body, _flavour: read_speech(body),
    SpeechStream,
    lambda _, request, _flavour, complete: characters(request, complete=complete),
)

_FORMATS: Final[Mapping[str, _Format]] = {
    "chat.completions": _CHAT,
    "completions": _COMPLETIONS,
    "responses": _RESPONSES,
    "responses.compact": _RESPONSES,
    "responses.input_tokens": _RESPONSES,
    "responses.retrieve": _RETRIEVED,
    "responses.cancel": _RETRIEVED,
    "embeddings": _EMBEDDINGS,
    "images.generations": _IMAGES,
    "images.edits": _IMAGES,
    "images.variations": _IMAGES,
    "audio.transcriptions": _TRANSCRIPTS,
    "audio.translations": _TRANSCRIPTS,
    "audio.speech": _SPEECH,
}


class _UnreadTap:
    """Passes sound on without keeping it: its request alone says what it costs."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def feed(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""

    def seen(self) -> Reading:
        return characters(self._request, complete=False)

    def stop(self) -> bytes | None:
        return b""

    def finish(self, *, complete: bool) -> Reading:
        return characters(self._request, complete=complete)
