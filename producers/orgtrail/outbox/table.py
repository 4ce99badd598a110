"""The outbox table and every statement about it, read from one file for each kind of database."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from orgtrail.errors import SettingsError

TABLE = "orgtrail_outbox"

POSTGRESQL = "postgresql"
SQLITE = "sqlite"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}(\.[A-Za-z_][A-Za-z0-9_]{0,40})?")
_HEADING = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![\w:]):([a-z_]+)")


@lru_cache(16)
def statements(dialect: str, table: str) -> dict[str, str]:
    """Every statement by its name. A parameter is written ``:name``.

    Raises:
        SettingsError: the table's name is none, or the database is neither PostgreSQL nor SQLite.
    """
    if not _NAME.fullmatch(table):
        raise SettingsError(f"the table {table!r} must be a plain name, or schema.name")
    if dialect not in (POSTGRESQL, SQLITE):
        raise SettingsError(f"the outbox needs PostgreSQL or SQLite, not {dialect}")
    text = (files(__package__) / f"{dialect}.sql").read_text("utf-8")
    _, *parts = _HEADING.split(text)
    index = table.rpartition(".")[2]
    return {
        name: _COMMENT.sub("", sql).strip().replace("{table}", table).replace("{index}", index)
        for name, sql in zip(parts[::2], parts[1::2], strict=True)
    }


def create_statements(dialect: str, table: str = TABLE) -> list[str]:
    """What makes the outbox (``postgresql`` or ``sqlite``), for a migration of one's own.

    Each is a statement that may be run again.

    Raises:
        SettingsError: see ``statements``.
    """
    found = statements(dialect, table)
    return [sql for name, sql in found.items() if name.startswith("create_")]


def percent_style(sql: str) -> str:
    """The statement with its parameters written ``%(name)s``, as psycopg and Django want them."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
