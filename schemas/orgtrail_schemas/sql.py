"""Quoting for SQL that is generated from our own data files. Request values are parameters."""

from __future__ import annotations

from collections.abc import Iterable


def string(text: str) -> str:
    """A string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def array(texts: Iterable[str]) -> str:
    """An array literal of strings."""
    return "[" + ", ".join(map(string, texts)) + "]"


def identifier(name: str) -> str:
    """A quoted name of a user, a column or a cluster."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
