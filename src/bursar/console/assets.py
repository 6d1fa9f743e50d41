"""Static files of the pages, served from the package under names that change with their content."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

MOUNT: Final = "/static"

CACHE_CONTROL: Final = "public, max-age=31536000, immutable"
"""A year: a changed file has another name."""

_TYPES: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

_HASH_HEX: Final = 12


class Asset(Struct, frozen=True):
    """One file."""

    path: str
    """Where it is served."""
    content: bytes
    media_type: str


class Assets:
    """All static files of the package, read once."""

    def __init__(self) -> None:
        by_name = {
            one.name: _asset(one.name, one.read_bytes()) for one in files("bursar.console").joinpath("static").iterdir()
        }
        self._by_name: Final = by_name
        self._by_path: Final = {asset.path: asset for asset in by_name.values()}

    def path(self, name: str) -> str:
        """Where a file is served; raises KeyError for one that does not exist."""
        return self._by_name[name].path

    async def serve(self, request: Request) -> Response:
        """A file under its present name; 404 for any other."""
        asset = self._by_path.get(request.url.path)
        if asset is None:
            return PlainTextResponse("no such file\n", status_code=404)
        return Response(asset.content, media_type=asset.media_type, headers={"cache-control": CACHE_CONTROL})


def _asset(name: str, content: bytes) -> Asset:
    stem, _, kind = name.rpartition(".")
    digest = hashlib.sha256(content).hexdigest()[:_HASH_HEX]
    return Asset(f"{MOUNT}/{stem}.{digest}.{kind}", content, _TYPES[kind])
