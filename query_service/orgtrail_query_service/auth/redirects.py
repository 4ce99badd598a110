"""Where a browser may be sent after a sign-in."""

from __future__ import annotations


def own_path(path: str) -> str:
    """The path when it is one of this service, else ``/``: nobody is sent elsewhere."""
    inside = path.startswith("/") and not path.startswith("//")
    return path if inside and "\\" not in path and path.isprintable() else "/"
