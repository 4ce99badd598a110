"""The outbox table and its SQL statements, read from one file per database dialect."""

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
    """Return all statements by name. Parameters are written ``:name``.

    Raises:
        SettingsError: the table name is invalid, or the database is not PostgreSQL or SQLite.
    """
    if not _NAME.fullmatch(table):
        raise SettingsError(f"the table {table!r} must be a plain name, or schema.name")
    if dialect not in (POSTGRESQL, SQLITE):
        raise SettingsError(f"the outbox requires PostgreSQL or SQLite, not {dialect}")
    text = (files(__package__) / f"{dialect}.sql").read_text("utf-8")
    _, *parts = _HEADING.split(text)
    index = table.rpartition(".")[2]
    return {
        name: _COMMENT.sub("", sql).strip().replace("{table}", table).replace("{index}", index)
        for name, sql in zip(parts[::2], parts[1::2], strict=True)
    }


def create_statements(dialect: str, table: str = TABLE) -> list[str]:
    """Return the statements that create the outbox, for use in your own migrations.

    ``dialect`` is ``postgresql`` or ``sqlite``. Each statement is idempotent.

    Raises:
        SettingsError: see ``statements``.
    """
    by_name = statements(dialect, table)
    return [sql for name, sql in by_name.items() if name.startswith("create_")]


def percent_style(sql: str) -> str:
    """Rewrite the parameters as ``%(name)s``, the style of psycopg and Django."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
