"""The ClickHouse tables: the migrations, the SQL of the views, and the frozen columns."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template

import msgspec

from orgtrail_schemas.catalogue import Sensitivity, catalogue

DATABASE = "audit"
STORE = f"{DATABASE}.events_store"
RETENTION_DAYS = 90

VIEWS = ("events", "event_keys")


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of ``audit.events``. ``type`` is a ClickHouse type."""

    name: str
    type: str
    sensitivity: Sensitivity
    comment: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    column: list[Column]


@cache
def event_columns() -> tuple[Column, ...]:
    """The columns of ``audit.events``, in order. They are the contract with data teams."""
    text = files(__package__).joinpath("columns.toml").read_bytes()
    return tuple(msgspec.toml.decode(text, type=_File).column)


def migrations_folder() -> Path:
    """The numbered migrations, in plain SQL with the variables of ``migration_variables``."""
    return Path(str(files(__package__).joinpath("migrations")))


def migration_variables(cluster: str | None) -> dict[str, str]:
    """The variables that make the same migrations work on a single server and on a cluster."""
    if cluster is None:
        return {"ON_CLUSTER": "", "REPLICATED": ""}
    return {"ON_CLUSTER": f"ON CLUSTER {_identifier(cluster)}", "REPLICATED": "Replicated"}


def view_statements(cluster: str | None, definer: str) -> list[str]:
    """The statements that recreate the views with the event names of the current catalogue.

    ``definer`` is the user whose grants the views use. It needs SELECT on the storage table.
    """
    events = catalogue().events
    values = migration_variables(cluster) | {
        "DEFINER": _identifier(definer),
        "EVENT_KEYS": _array(list(events)),
        "EVENT_NAMES": _array([event.name for event in events.values()]),
        "COLUMNS": ",\n".join(
            f"    {_identifier(c.name)} {c.type} COMMENT {_string(c.comment)}"
            for c in event_columns()
        ),
    }
    folder = files(__package__).joinpath("views")
    return [
        Template(folder.joinpath(f"{view}.sql").read_text("utf-8")).substitute(values)
        for view in VIEWS
    ]


def data_dictionary() -> str:
    """The data dictionary as Markdown: ``docs/data-dictionary.md``, compared by a test."""
    lines = [
        "# Data dictionary of `audit.events`",
        "",
        "Made by `make docs` from `schemas/orgtrail_schemas/columns.toml`. Columns are only ever",
        "appended. *Personal* columns hold data of persons: keep them out of logs and metrics.",
        "",
        "| column | type | sensitivity | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{c.name}` | `{c.type}` | {c.sensitivity} | {c.comment} |" for c in event_columns()
    ]
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _array(texts: list[str]) -> str:
    return "[" + ", ".join(_string(text) for text in texts) + "]"


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
