"""Where a browser may be redirected after a sign-in."""

from __future__ import annotations


def own_path(path: str) -> str:
    """The path if it is one of this service, else ``/``: never an address elsewhere."""
    inside = path.startswith("/") and not path.startswith("//")
    return path if inside and "\\" not in path and path.isprintable() else "/"
