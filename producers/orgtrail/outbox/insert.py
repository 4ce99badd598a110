"""One insert through whatever connection the caller has a transaction on."""

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
    """Insert the rows in the transaction of ``connection``; nothing is committed.

    ``connection`` is a connection or cursor of sqlite3, psycopg or psycopg2, a connection of
    Django, or a Connection or Session of SQLAlchemy.

    Raises:
        InvalidEventError: ``connection`` is nothing of these.
        Exception: the driver's own, as it is: the transaction is the caller's.
    """
    if inspect.iscoroutinefunction(getattr(connection, "execute", None)):
        raise _unusable("is asynchronous: use run_sync of SQLAlchemy's AsyncSession, for example")
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
    # Django writes parameters in one way for every database.
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
        raise _unusable("must be of sqlite3, psycopg, psycopg2, Django or SQLAlchemy")
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
    """Whether the insert would be committed by itself, for lack of a transaction."""
    if hasattr(session, "in_transaction"):
        # sqlite3: True is Python 3.12's autocommit; without a level nothing begins by itself.
        begins = session.isolation_level is not None
        if getattr(session, "autocommit", None) is True:
            begins = False
        return not begins and not session.in_transaction
    if getattr(session, "autocommit", False) is not True:
        return False
    info = getattr(session, "info", None)
    # psycopg and psycopg2; 0 is idle in libpq.
    status = getattr(info, "transaction_status", 0)
    return int(status) == 0


def _warn(kind: str, what: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        _log.warning(
            "an outbox event was inserted outside of a transaction and is committed by itself:"
            " %s around it and the change that it tells of (%s; logged once)",
            what,
            kind,
        )


def _unusable(problem: str) -> InvalidEventError:
    return InvalidEventError("connection", problem)
