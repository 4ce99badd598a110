"""Connects to a database URL in autocommit mode. Only this module imports the drivers."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

from orgtrail.errors import SettingsError
from orgtrail.outbox.table import POSTGRESQL, SQLITE, percent_style

_TIMEOUT_S = 10
# Timeouts, so that an unresponsive database cannot block a relay forever, and so that the session
# of a dead relay does not stay open.
_SESSION = (
    "-c default_transaction_isolation=read\\ committed"
    f" -c statement_timeout={_TIMEOUT_S}s -c idle_in_transaction_session_timeout={_TIMEOUT_S}s"
)


class Connection(Protocol):
    """The methods of a driver's connection that the relay uses."""

    def execute(self, sql: str, parameters: dict[str, Any], /) -> Any:
        """Run a statement and return a cursor."""

    def close(self) -> None:
        """End the session."""


class Database(NamedTuple):
    """A database: its dialect, connect function, error class, and parameter style."""

    dialect: str
    connect: Callable[[], Connection]
    error: type[Exception]
    style: Callable[[str], str]


def database(url: str) -> Database:
    """Parse ``postgresql://...`` or ``sqlite:///path``, without connecting.

    Raises:
        SettingsError: the URL has another form, or psycopg is not installed.
    """
    scheme, separator, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    if separator and kind in ("postgresql", "postgres"):
        return _postgresql(f"postgresql://{rest}")
    if separator and kind == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return _sqlite(unquote(rest[1:]))
    raise SettingsError("the database must be postgresql://user@host/name or sqlite:///path")


def problem(error: Exception) -> str:
    """Format a driver's error in one line, without values from rows."""
    cause = error.__cause__ or error
    state = getattr(cause, "sqlstate", None)
    # PostgreSQL's messages in class 22 (data exception) and 23 (integrity constraint violation)
    # may contain values.
    if state is not None and state[:2] in ("22", "23"):
        return f"{type(cause).__name__} ({state})"
    return f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"


def _postgresql(url: str) -> Database:
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise SettingsError(
            "PostgreSQL needs psycopg: pip install 'orgtrail[outbox]', or 'psycopg[binary]'"
        ) from None
    try:
        from_url = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Do not include the driver's message, which may contain the password.
        raise SettingsError("the database URL is invalid") from None
    parameters: dict[str, Any] = {
        "application_name": "orgtrail relay",
        "connect_timeout": _TIMEOUT_S // 2,
        "keepalives_idle": _TIMEOUT_S,
        "tcp_user_timeout": _TIMEOUT_S * 1000,
    }
    parameters |= {name: value for name, value in from_url.items() if value is not None}
    parameters["options"] = f"{_SESSION} {from_url.get('options') or ''}".strip()

    def connect() -> Any:
        return psycopg.connect(**parameters, autocommit=True)

    return Database(POSTGRESQL, connect, psycopg.Error, percent_style)


def _sqlite(path: str) -> Database:
    if not re.search(r"[^/]", path):
        raise SettingsError("sqlite:/// requires a file path")

    def connect() -> Any:
        return sqlite3.connect(path, timeout=_TIMEOUT_S, isolation_level=None)

    return Database(SQLITE, connect, sqlite3.Error, str)
