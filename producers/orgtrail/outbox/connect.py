"""From a database URL to a connection in autocommit mode; the drivers are imported here alone."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

from orgtrail.errors import SettingsError
from orgtrail.outbox.table import POSTGRESQL, SQLITE, percent_style

_TIMEOUT_S = 10
# A database that stops answering must neither hold a relay up for ever nor survive its end.
_SESSION = (
    "-c default_transaction_isolation=read\\ committed"
    f" -c statement_timeout={_TIMEOUT_S}s -c idle_in_transaction_session_timeout={_TIMEOUT_S}s"
)


class Connection(Protocol):
    """What the relay needs of a driver's connection."""

    def execute(self, sql: str, parameters: dict[str, Any], /) -> Any:
        """Run a statement; the result is a cursor."""

    def close(self) -> None:
        """End the session."""


class Database(NamedTuple):
    """A kind of database, how to connect, its errors, and how it writes parameters."""

    dialect: str
    connect: Callable[[], Connection]
    error: type[Exception]
    style: Callable[[str], str]


def database(url: str) -> Database:
    """The database of ``postgresql://...`` or ``sqlite:///path``; nothing is connected yet.

    Raises:
        SettingsError: the URL is of neither form, or psycopg is not installed.
    """
    scheme, separator, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    if separator and kind in ("postgresql", "postgres"):
        return _postgresql(f"postgresql://{rest}")
    if separator and kind == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return _sqlite(unquote(rest[1:]))
    raise SettingsError("the database must be postgresql://user@host/name or sqlite:///path")


def problem(error: Exception) -> str:
    """An error of a driver in one line, without values of rows."""
    known = error.__cause__ or error
    state = getattr(known, "sqlstate", None)
    # PostgreSQL's classes of errors that speak of data: 22 (data), 23 (constraints).
    if state is not None and state[:2] in ("22", "23"):
        return f"{type(known).__name__} ({state})"
    return f"{type(known).__name__}: {str(known).strip().partition(chr(10))[0]}"


def _postgresql(url: str) -> Database:
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise SettingsError(
            "PostgreSQL needs psycopg: pip install 'orgtrail[outbox]', or 'psycopg[binary]'"
        ) from None
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Its text may hold the password.
        raise SettingsError("the database's URL cannot be understood") from None
    ours: dict[str, Any] = {
        "application_name": "orgtrail relay",
        "connect_timeout": _TIMEOUT_S // 2,
        "keepalives_idle": _TIMEOUT_S,
        "tcp_user_timeout": _TIMEOUT_S * 1000,
    }
    ours |= {name: value for name, value in given.items() if value is not None}
    ours["options"] = f"{_SESSION} {given.get('options') or ''}".strip()

    def connect() -> Any:
        return psycopg.connect(**ours, autocommit=True)

    return Database(POSTGRESQL, connect, psycopg.Error, percent_style)


def _sqlite(path: str) -> Database:
    if not re.search(r"[^/]", path):
        raise SettingsError("sqlite:/// needs the path of a file")

    def connect() -> Any:
        return sqlite3.connect(path, timeout=_TIMEOUT_S, isolation_level=None)

    return Database(SQLITE, connect, sqlite3.Error, str)
