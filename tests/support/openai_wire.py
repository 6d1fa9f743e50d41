"""Recorded OpenAI-style exchanges, each with the dialect and endpoint that it went through."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from bursar.config import DialectName
from bursar.dialects.base import Dialect, Endpoint, Request
from bursar.dialects.registry import dialect_for
from support.wire import Recording, recordings

FOLDERS: dict[str, DialectName] = {
    "openai": "openai",
    "openai_cassettes": "openai",
    "openai_responses": "openai",
    "mistral": "mistral",
    "deepseek": "deepseek",
    "groq": "groq",
    "openrouter": "openrouter",
    "cohere": "cohere",
    "xai": "xai",
}
_HOSTS: dict[str, DialectName] = {"api.openai.com": "openai", "openrouter.ai": "openrouter"}
_BASES = ("/api/v1", "/openai/v1", "/v1beta/openai", "/v1")
_OMITTED = b"[multipart form data omitted]"


class Exchange(NamedTuple):
    """One recording and what our side makes of its request."""

    recording: Recording
    dialect: Dialect
    endpoint: Endpoint
    request: Request

    @property
    def content_type(self) -> str:
        """The answer's."""
        return self.recording.response_headers.get("content-type", "")


def exchanges() -> Iterator[Exchange]:
    """All recorded exchanges on metered routes."""
    for folder, name in FOLDERS.items():
        for recording in recordings(folder):
            dialect, path = _route(recording, name)
            endpoint = dialect.match(recording.method, path)
            if endpoint is not None:
                yield Exchange(recording, dialect, endpoint, _request(dialect, endpoint, recording))


def _route(recording: Recording, name: DialectName) -> tuple[Dialect, str]:
    url = urlsplit(recording.url)
    if "azure.com" in url.netloc:
        return dialect_for("azure"), url.path
    if url.path == "/v2/chat":
        return dialect_for(name), "/chat/completions"
    base = next((base for base in _BASES if url.path.startswith(base)), "")
    return dialect_for(_HOSTS.get(url.netloc, name)), url.path.removeprefix(base)


def _request(dialect: Dialect, endpoint: Endpoint, recording: Recording) -> Request:
    if recording.request_body == _OMITTED:
        return Request(model="whisper-1", stream=False, body=_OMITTED)
    content_type = recording.request_headers.get("content-type", "application/json")
    return dialect.read(endpoint, content_type, recording.request_body)
