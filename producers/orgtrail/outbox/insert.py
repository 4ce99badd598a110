"""Inserts outbox rows through the caller's connection, in the caller's transaction."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from orgtrail.errors import InvalidEventError
from orgtrail.outbox.table import POSTGRESQL, SQLITE, percent_style, statements

Row = dict[str, Any]
"""The values of a row by column."""

_log = logging.getLogger("orgtrail")
_warned: set[str] = set()


def insert(connection: Any, table: str, rows: Sequence[Row]) -> None:
    """Insert the rows in the transaction of ``connection``, without committing.

    ``connection`` is a connection or cursor of sqlite3, psycopg or psycopg2, Django's connection,
    or a SQLAlchemy Connection or Session.

    Raises:
        InvalidEventError: ``connection`` is none of these.
        Exception: the driver's error, unchanged; the caller must roll back.
    """
    if inspect.iscoroutinefunction(getattr(connection, "execute", None)):
        raise _unusable("is asynchronous: use run_sync, as with SQLAlchemy's AsyncSession")
    modules = {kind.__module__.partition(".")[0] for kind in type(connection).__mro__}
    if "sqlalchemy" in modules:
        _through_sqlalchemy(connection, table, rows)
    elif "django" in modules:
        _through_django(connection, table, rows)
    else:
        _through_dbapi(connection, modules, table, rows)


def _through_sqlalchemy(connection: Any, table: str, rows: Sequence[Row]) -> None:
    from sqlalchemy import text

    bind = connection.get_bind() if hasattr(connection, "get_bind") else connection
    sql = text(statements(bind.dialect.name, table)["insert"])
    for row in rows:
        connection.execute(sql, row)


def _through_django(connection: Any, table: str, rows: Sequence[Row]) -> None:
    if not connection.in_atomic_block and connection.get_autocommit():
        _warn("Django", "open transaction.atomic()")
    # Django uses the same parameter style for every database.
    sql = percent_style(statements(connection.vendor, table)["insert"])
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(sql, row)


def _through_dbapi(connection: Any, modules: set[str], table: str, rows: Sequence[Row]) -> None:
    styles = {getattr(sys.modules.get(name), "paramstyle", None) for name in modules}
    style: Callable[[str], str]
    if "qmark" in styles:
        dialect, style = SQLITE, str
    elif styles & {"pyformat", "format"}:
        dialect, style = POSTGRESQL, percent_style
    else:
        raise _unusable("must come from sqlite3, psycopg, psycopg2, Django or SQLAlchemy")
    session = connection if hasattr(connection, "cursor") else connection.connection
    if _commits_alone(session):
        _warn(type(session).__module__.partition(".")[0], "begin a transaction")
    sql = style(statements(dialect, table)["insert"])
    if session is not connection:
        for row in rows:
            connection.execute(sql, row)
        return
    with closing(connection.cursor()) as cursor:
        for row in rows:
            cursor.execute(sql, row)


def _commits_alone(session: Any) -> bool:
    """Whether the insert would be committed immediately because no transaction is open."""
    if hasattr(session, "in_transaction"):
        # sqlite3 begins a transaction implicitly unless isolation_level is None, or autocommit is
        # True (Python 3.12).
        begins = session.isolation_level is not None
        if getattr(session, "autocommit", None) is True:
            begins = False
        return not begins and not session.in_transaction
    if getattr(session, "autocommit", False) is not True:
        return False
    info = getattr(session, "info", None)
    # psycopg and psycopg2: status 0 (PQTRANS_IDLE in libpq) means that no transaction is open.
    status = getattr(info, "transaction_status", 0)
    return int(status) == 0


def _warn(kind: str, what: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        _log.warning(
            "an outbox event was inserted outside of a transaction and committed immediately:"
            " %s around the event and the change that it records (%s; logged once)",
            what,
            kind,
        )


def _unusable(problem: str) -> InvalidEventError:
    return InvalidEventError("connection", problem)
