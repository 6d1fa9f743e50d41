"""Recorded provider traffic as values, whichever tool recorded it.

The cassettes under ``wire/`` come from two recorders (VCR for Python, go-vcr) with a handful of body encodings; tests
see one `Recording` shape. A body that was kept only as a parsed document is serialised again as compact JSON: its
content is the provider's, its spacing is ours. Framing headers (content-length, content-encoding) are kept as recorded
and may therefore disagree with the body.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from support.data import need

_GZIP_MAGIC = b"\x1f\x8b"
_RAW_TYPES = {
    ".sse": "text/event-stream",
    ".txt": "text/event-stream",
    ".json": "application/json",
    ".html": "text/html",
    ".bin": "application/octet-stream",
}


class Recording(NamedTuple):
    """One HTTP exchange. A bare response file (no cassette around it) has an empty ``url`` and request body."""

    name: str
    """``<file stem>#<position in the cassette>``."""
    method: str
    url: str
    request_headers: Mapping[str, str]
    """Lower-case names; repeated headers are joined with a comma."""
    request_body: bytes
    status: int
    response_headers: Mapping[str, str]
    response_body: bytes


@cache
def recordings(folder: str) -> list[Recording]:
    """Every HTTP exchange recorded in ``wire/<folder>``, in file order; recordings of gRPC traffic are left out.

    Skips the calling test when the data is absent.
    """
    found: list[Recording] = []
    for path in sorted(need(f"wire/{folder}").iterdir()):
        if path.name.endswith(".yaml.gz"):
            found.extend(_cassette(path))
        elif path.suffix in _RAW_TYPES:
            found.append(_bare_response(path))
    return found


def _cassette(path: Path) -> Iterator[Recording]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(gzip.decompress(path.read_bytes()), loader)  # noqa: S506 - one of the two safe loaders
    stem = path.name.removesuffix(".yaml.gz")
    for index, exchange in enumerate(document["interactions"]):
        if "request" not in exchange:
            continue
        request, response = exchange["request"], exchange["response"]
        yield Recording(
            name=f"{stem}#{index}",
            method=request["method"],
            url=request.get("uri") or request["url"],
            request_headers=_headers(request),
            request_body=_body(request),
            status=_status(response),
            response_headers=_headers(response),
            response_body=_body(response),
        )


def _bare_response(path: Path) -> Recording:
    return Recording(
        name=path.stem,
        method="POST",
        url="",
        request_headers={},
        request_body=b"",
        status=200,
        response_headers={"content-type": _RAW_TYPES[path.suffix]},
        response_body=path.read_bytes(),
    )


def _body(message: Mapping[str, Any]) -> bytes:
    if "parsed_body" in message:
        return json.dumps(message["parsed_body"], ensure_ascii=False, separators=(",", ":")).encode()
    body = message.get("body")
    if isinstance(body, dict):
        if "base64_string" in body:
            return base64.b64decode(body["base64_string"])
        body = body.get("string")
    if body is None:
        return b""
    raw: bytes = body if isinstance(body, bytes) else body.encode()
    return gzip.decompress(raw) if raw.startswith(_GZIP_MAGIC) else raw


def _headers(message: Mapping[str, Any]) -> dict[str, str]:
    return {
        name.lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in (message.get("headers") or {}).items()
    }


def _status(response: Mapping[str, Any]) -> int:
    if "code" in response:
        return int(response["code"])
    return int(response["status"]["code"])
