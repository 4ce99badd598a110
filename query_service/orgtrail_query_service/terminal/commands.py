"""``orgtrail query`` and ``orgtrail export``: the API from a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import make_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from orgtrail_query_service.reads.export_formats import DEFAULT, FORMATS
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.search import Order
from orgtrail_query_service.terminal.api_client import (
    ClientError,
    Parameters,
    check,
    connect,
    events_path,
    file_name,
    pages,
)
from orgtrail_query_service.terminal.output import print_json, print_table, save
from orgtrail_query_service.terminal.settings import ClientSettings
from orgtrail_schemas.settings import SettingsError

_AGO = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

# The options follow from the filters: a new filter is an option without code.
FilterOptions = make_dataclass(
    "FilterOptions",
    [
        (
            f.name,
            Annotated[
                list[str] | None if f.repeatable else str | None,
                Parameter(name=f"--{f.name.replace('_', '-')}", help=f.sentence),
            ],
            None,
        )
        for f in FILTERS
    ],
    frozen=True,
)
# Cyclopts takes a class of the standard library's "types" for a plain value.
FilterOptions.__module__ = __name__
_Filters = Annotated[FilterOptions, Parameter(name="*")]  # type: ignore[valid-type]
_NO_FILTERS = FilterOptions()
_Suffix = Literal[tuple(FORMATS)]  # type: ignore[valid-type]


def query(
    org: str,
    *,
    filters: _Filters = _NO_FILTERS,
    since: str | None = None,
    until: str | None = None,
    order: Order = "newest",
    limit: int = 50,
    json: bool = False,
) -> int:
    """Show an organization's events as a table.

    Asks the query service at ORGTRAIL_URL (http://127.0.0.1:8080) with the token in
    ORGTRAIL_TOKEN. Exits with 1 when it cannot be asked or refuses.

    Args:
        org: The organization.
        filters: What to look for.
        since: The first time: RFC 3339 with an offset, or how long ago, such as 90m, 24h or 7d.
        until: The time after the last, written likewise.
        order: newest or oldest first.
        limit: How many events at most; 0 for all.
        json: Print each event as a line of JSON instead.
    """
    with _one_line_errors("query"):
        if limit < 0:
            raise ClientError("--limit must be 0 or more")
        parameters = _parameters(filters, since, until, datetime.now(UTC))
        with connect(ClientSettings.load()) as client:
            found = pages(client, org, [*parameters, ("order", order)], limit)
            print_json(found) if json else print_table(found)
            return 0
    return 1


def export(
    org: str,
    *,
    filters: _Filters = _NO_FILTERS,
    since: str | None = None,
    until: str | None = None,
    format: _Suffix = DEFAULT.suffix,  # type: ignore[valid-type]  # noqa: A002
    output: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
    bom: bool = False,
) -> int:
    """Download every event of an organization that the filters match.

    Asks as orgtrail query does. A transfer that breaks off leaves no file and exits with 1.

    Args:
        org: The organization.
        filters: What to look for.
        since: The first time: RFC 3339 with an offset, or how long ago, such as 90m, 24h or 7d.
        until: The time after the last, written likewise.
        format: csv, jsonl or parquet.
        output: The file to write; a dash is standard output. The default is the name that the
            service gives it, in this folder.
        bom: Begin a CSV with a byte order mark, which some spreadsheets need.
    """
    with _one_line_errors("export"):
        parameters = _parameters(filters, since, until, datetime.now(UTC))
        if bom:
            parameters.append(("bom", "true"))
        with (
            connect(ClientSettings.load()) as client,
            client.stream("GET", events_path(org, f"export.{format}"), params=parameters) as answer,
        ):
            check(answer)
            if output == Path("-"):
                for chunk in answer.iter_bytes():
                    sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
            else:
                save(answer, output or Path(file_name(answer)))
            return 0
    return 1


def instant(text: str | None, now: datetime) -> str | None:
    """The time of an option as the API takes it: a span such as 24h becomes a time."""
    ago = _AGO.fullmatch(text or "")
    if ago is None:
        return text
    return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat(timespec="milliseconds")


def _parameters(filters: Any, since: str | None, until: str | None, now: datetime) -> Parameters:
    given: Parameters = []
    for f in FILTERS:
        value = getattr(filters, f.name, None)
        given += [(f.name, v) for v in (value if isinstance(value, list) else [value]) if v]
    times = (("since", instant(since, now)), ("until", instant(until, now)))
    return given + [(name, value) for name, value in times if value]


@contextmanager
def _one_line_errors(command: str) -> Iterator[None]:
    """Print what the user can fix as one line; bugs are not caught."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (ClientError, SettingsError, OSError) as error:
        print(f"orgtrail {command}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"orgtrail {command}: interrupted", file=sys.stderr)
