"""The page's static files. Their addresses contain a digest, so browsers cache them forever."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from litestar import Response, get

from orgtrail_query_service.problems import not_found

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    # Litestar adds the charset to text types.
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


@cache
def _files() -> dict[str, tuple[str, bytes]]:
    contents = {path.name: path.read_bytes() for path in _FOLDER.iterdir()}
    return {
        name: (hashlib.sha256(content).hexdigest()[:16], content)
        for name, content in contents.items()
    }


def address_of(prefix: str, name: str) -> str:
    """The address of a file; it changes with the content."""
    return f"{prefix}/static/{_files()[name][0]}/{name}"


@get("/static/{digest:str}/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(digest: str, name: str) -> Response[bytes]:
    """One file, if the digest in the address is still its own."""
    if name not in _files() or _files()[name][0] != digest:
        raise not_found()
    return Response(
        _files()[name][1],
        media_type=_TYPES[Path(name).suffix],
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )
