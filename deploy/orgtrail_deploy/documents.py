"""``make docs``: the documents that are made from data. A test compares them with the data."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings

from orgtrail import events as events_made
from orgtrail import settings as sdk
from orgtrail.typed.generate import events_module
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_deploy.local.settings import LocalSettings
from orgtrail_query_service.reads.export_formats import FORMATS
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.settings import QuerySettings
from orgtrail_schemas.catalogue import catalogue
from orgtrail_schemas.reasons import EXPLAINED
from orgtrail_schemas.tables import data_dictionary

DOCS = Path(__file__).resolve().parents[2] / "docs"


def documents() -> dict[str, str]:
    """Each generated document by its name in ``docs/``."""
    return {
        "data-dictionary.md": data_dictionary(),
        "settings.md": settings(),
        "event-types.md": event_types(),
        "filters.md": filters(),
        "dead-letters.md": reasons(),
    }


def settings() -> str:
    """Every setting of every process."""
    lines = ["# Settings", "", "Made by `make docs`. All are environment variables.", ""]
    head = ["| variable | default | meaning |", "|---|---|---|"]
    lines += ["## The SDK and `orgtrail emit`", "", *head]
    lines += [
        f"| `{sdk.PREFIX}{name.upper()}` | `{_shown(default)}` | {meaning} |"
        for name, default, meaning in sdk.described()
    ]
    lines.append("")
    groups: list[tuple[str, type[BaseSettings]]] = [
        ("The consumer", ConsumerSettings),
        ("The query service", QuerySettings),
        ("The local stack (`make up`)", LocalSettings),
    ]
    for title, model in groups:
        prefix = model.model_config.get("env_prefix", "")
        lines += [f"## {title}", "", *head]
        for name, field in model.model_fields.items():
            default = "required" if field.is_required() else f"`{_shown(field.default)}`"
            lines.append(f"| `{prefix}{name.upper()}` | {default} | {field.description} |")
        lines.append("")
    return "\n".join(lines)


def event_types() -> str:
    """The catalogue as a table."""
    lines = [
        "# Event types",
        "",
        "Made by `make docs` from the catalogue.",
        "",
        "| event | name | level | description |",
        "|---|---|---|---|",
    ]
    for event in catalogue().events.values():
        own = " (recorded by Orgtrail itself)" if event.own else ""
        text = event.description + own
        lines.append(f"| `{event.key}` | {event.name} | {event.level} | {text} |")
    return "\n".join(lines) + "\n"


def filters() -> str:
    """The filters of the API and the page."""
    lines = ["# Filters", "", "Made by `make docs`.", "", "| parameter | keeps |", "|---|---|"]
    lines += [f"| `{f.name}` | {f.sentence} |" for f in FILTERS]
    lines += [
        "| `since`, `until` | events from `since` on, before `until` (RFC 3339 with offset) |",
        "| `order` | `newest` first (the default) or `oldest` |",
        "| `limit` | how many events a page has, 1 to 1000 (50) |",
        "| `cursor` | the page after the one that gave it out |",
        "| `bom` | `true` begins a CSV with a byte order mark |",
        "",
        "| an export | is |",
        "|---|---|",
        *(f"| `export.{f.suffix}`, `{f.media_type}` | {f.sentence} |" for f in FORMATS.values()),
    ]
    return "\n".join(lines) + "\n"


def reasons() -> str:
    """Why records are set aside."""
    lines = ["# Dead letters", "", "Made by `make docs`.", "", "| reason | meaning |", "|---|---|"]
    lines += [f"| `{reason}` | {text} |" for reason, text in EXPLAINED.items()]
    return "\n".join(lines) + "\n"


def _shown(default: object) -> str:
    text = str(getattr(default, "get_secret_value", lambda: default)())
    return text if text else " "


if __name__ == "__main__":
    events = Path(events_made.__file__)
    events.write_text(events_module(catalogue()), "utf-8")
    DOCS.mkdir(exist_ok=True)
    for name, text in documents().items():
        (DOCS / name).write_text(text, "utf-8")
