"""Every recorded exchange on a metered route, of any provider, as a dialect reads it."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from bursar.config import DialectName
from bursar.dialects.base import Endpoint, Reading, Request
from bursar.dialects.registry import dialect_for
from bursar.errors import Refusal
from support.openai_wire import FOLDERS as OPENAI_FOLDERS
from support.wire import Recording, recordings

FOLDERS: dict[str, DialectName] = {
    **{folder: name for folder, name in OPENAI_FOLDERS.items() if folder != "xai"},  # recorded over gRPC only
    "anthropic": "anthropic",
    "google": "gemini",
    "bedrock": "bedrock",
}
_FAMILY = frozenset(OPENAI_FOLDERS.values())
_BASES = ("/api/v1", "/openai/v1", "/v1beta/openai", "/v1")


class Exchange(NamedTuple):
    """One recording and what its dialect makes of the request."""

    recording: Recording
    dialect: DialectName
    path: str
    endpoint: Endpoint
    request: Request

    @property
    def name(self) -> str:
        return self.recording.name

    @property
    def body(self) -> bytes:
        return self.recording.request_body

    @property
    def content_type(self) -> str:
        """Of the request."""
        return self.recording.request_headers.get("content-type", "application/json")

    def reading(self) -> Reading:
        """What the dialect makes of the recorded answer."""
        answer = self.recording
        kind = answer.response_headers.get("content-type", "application/json")
        tap = dialect_for(self.dialect).tap(
            self.endpoint,
            self.request,
            status=answer.status,
            content_type=kind,
            headers={"content-type": kind},
        )
        tap.feed(answer.response_body)
        tap.flush()
        return tap.finish(complete=True)


def exchanges(folder: str) -> Iterator[Exchange]:
    """The exchanges of one folder that our side can read."""
    name = FOLDERS[folder]
    dialect = dialect_for(name)
    for recording in recordings(folder):
        path = urlsplit(recording.url).path
        if name in _FAMILY:
            path = path.removeprefix(next((base for base in _BASES if path.startswith(base)), ""))
        endpoint = dialect.match(recording.method, path)
        if endpoint is None or recording.status == 204:
            continue
        kind = recording.request_headers.get("content-type", "application/json")
        try:
            request = dialect.read(endpoint, kind, recording.request_body)
        except Refusal:
            continue
        yield Exchange(recording, name, path, endpoint, request)
