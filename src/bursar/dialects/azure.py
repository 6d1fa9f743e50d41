"""Azure OpenAI: OpenAI's format on Azure's paths, the deployment in the path instead of a model in the body.

Two generations of paths (Microsoft Learn, "Azure OpenAI REST API reference", read 2026-11):
``/openai/deployments/{deployment}/chat/completions?api-version=…`` and, without versions, ``/openai/v1/…``, where the
body's ``model`` is the deployment.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from bursar.dialects.base import Endpoint, ErrorAnswer, Request, Tap
from bursar.dialects.flavours import AZURE
from bursar.dialects.openai import ROUTES, OpenAI

_DEPLOYMENT: Final = re.compile(r"/openai/deployments/(?P<deployment>[A-Za-z0-9_-][A-Za-z0-9._-]*)(?P<rest>/.+)")
_V1: Final = re.compile(r"/openai/v1(?P<rest>/.+)")
_UNVERSIONED: Final = re.compile(r"/openai(?P<rest>/responses(?:/.+)?|/models(?:/.+)?)")
_BY_DEPLOYMENT: Final = (
    "chat.completions",
    "completions",
    "embeddings",
    "images.generations",
    "images.edits",
    "audio.transcriptions",
    "audio.translations",
    "audio.speech",
)


class Azure:
    """The Azure OpenAI wire format."""

    name: str = AZURE.name
    routes: tuple[tuple[str, str], ...] = (
        *(
            ("POST", f"/openai/deployments/{{deployment}}/{operation.replace('.', '/')}")
            for operation in _BY_DEPLOYMENT
        ),
        *((method, f"/openai/v1{path}") for method, path in ROUTES),
        *((method, f"/openai{path}") for method, path in ROUTES if path.startswith(("/responses", "/models"))),
    )

    def __init__(self) -> None:
        self._openai = OpenAI(AZURE)

    def match(self, method: str, path: str) -> Endpoint | None:
        if found := _DEPLOYMENT.fullmatch(path):
            endpoint = self._openai.match(method, found["rest"])
            if endpoint is None or endpoint.operation not in _BY_DEPLOYMENT:
                return None
            return msgspec.structs.replace(endpoint, upstream_path=path, path_model=found["deployment"])
        found = _V1.fullmatch(path) or _UNVERSIONED.fullmatch(path)
        endpoint = self._openai.match(method, found["rest"]) if found else None
        return None if endpoint is None else msgspec.structs.replace(endpoint, upstream_path=path)

    def read(self, endpoint: Endpoint, content_type: str, body: bytes) -> Request:
        return self._openai.read(endpoint, content_type, body)

    def with_output_cap(self, endpoint: Endpoint, request: Request, tokens: int) -> Request | None:
        return self._openai.with_output_cap(endpoint, request, tokens)

    def tap(
        self, endpoint: Endpoint, request: Request, *, status: int, content_type: str, headers: Mapping[str, str]
    ) -> Tap:
        return self._openai.tap(endpoint, request, status=status, content_type=content_type, headers=headers)

    def error(self, *, status: int, code: str, message: str, request_id: str) -> ErrorAnswer:
        return self._openai.error(status=status, code=code, message=message, request_id=request_id)
