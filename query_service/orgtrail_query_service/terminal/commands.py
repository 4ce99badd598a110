"""``orgtrail query`` and ``orgtrail export``: the API from a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import make_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from cyclopts import Parameter

from orgtrail_query_service.reads.display import from_where, plain, who, whom
from orgtrail_query_service.reads.event import Event
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.search import MAX_LIMIT, Order

if TYPE_CHECKING:
    import httpx

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
_Parameters = list[tuple[str, str | int | float | bool | None]]


class _Page(msgspec.Struct):
    events: list[Event]
    next_cursor: str | None
    settled_through: datetime | None
    set_aside: int


class _ProblemError(Exception):
    """What went wrong, in a line for a person."""


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
    with _told("query"):
        if limit < 0:
            raise _ProblemError("--limit must be 0 or more")
        parameters = _parameters(filters, since, until, datetime.now(UTC))
        with _client() as client:
            pages = _pages(client, org, [*parameters, ("order", order)], limit)
            return _print_json(pages) if json else _print_table(pages)
    return 1


def export(
    org: str,
    *,
    filters: _Filters = _NO_FILTERS,
    since: str | None = None,
    until: str | None = None,
    format: Literal["csv", "jsonl", "parquet"] = "csv",  # noqa: A002
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
    with _told("export"):
        parameters = _parameters(filters, since, until, datetime.now(UTC))
        if bom:
            parameters.append(("bom", "true"))
        with (
            _client() as client,
            client.stream("GET", _path(org, f"export.{format}"), params=parameters) as a,
        ):
            _check(a)
            if output == Path("-"):
                for chunk in a.iter_bytes():
                    sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
            else:
                _save(a, output or Path(_file_name(a)))
            return 0
    return 1


def instant(text: str | None, now: datetime) -> str | None:
    """The time that an option names, as the API takes it; one that is no span is passed on."""
    ago = _AGO.fullmatch(text or "")
    if ago is None:
        return text
    return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat(timespec="milliseconds")


def _parameters(filters: Any, since: str | None, until: str | None, now: datetime) -> _Parameters:
    given: _Parameters = []
    for f in FILTERS:
        value = getattr(filters, f.name, None)
        given += [(f.name, v) for v in (value if isinstance(value, list) else [value]) if v]
    times = (("since", instant(since, now)), ("until", instant(until, now)))
    return given + [(name, value) for name, value in times if value]


@contextmanager
def _told(command: str) -> Iterator[None]:
    """One line for whatever a person can mend; nothing is swallowed but that."""
    import httpx

    try:
        yield
    except _ProblemError as error:
        print(f"orgtrail {command}: {error}", file=sys.stderr)
    except httpx.InvalidURL as error:
        print(f"orgtrail {command}: ORGTRAIL_URL: {error}", file=sys.stderr)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        print(f"orgtrail {command}: the query service: {reason}", file=sys.stderr)
    except OSError as error:
        print(f"orgtrail {command}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"orgtrail {command}: interrupted", file=sys.stderr)


def _path(org: str, *rest: str) -> str:
    return "/".join(("/v1/orgs", quote(org, safe=""), "events", *rest))


def _client() -> httpx.Client:
    import httpx

    token = os.environ.get("ORGTRAIL_TOKEN", "").strip()
    if not token.isascii() or not token:
        raise _ProblemError("set ORGTRAIL_TOKEN to a token of an administrator")
    return httpx.Client(
        base_url=os.environ.get("ORGTRAIL_URL") or "http://127.0.0.1:8080",
        headers={"Authorization": f"Bearer {token}"},
        timeout=httpx.Timeout(60, connect=5),
    )


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    answer.read()
    try:
        problem = msgspec.json.decode(answer.content, type=dict[str, Any])
        told = f"{problem['title']}. {problem['detail']}"
    except (msgspec.DecodeError, KeyError):
        told = f"the query service answered {answer.status_code}"
    raise _ProblemError(plain(told))


def _pages(client: httpx.Client, org: str, parameters: _Parameters, limit: int) -> Iterator[_Page]:
    missing, cursor = limit or sys.maxsize, None
    while missing > 0:
        more: _Parameters = [("limit", min(missing, MAX_LIMIT)), ("cursor", cursor or "")]
        answer = client.get(_path(org), params=[*parameters, *more])
        _check(answer)
        page = msgspec.json.decode(answer.content, type=_Page)
        yield page
        missing, cursor = missing - len(page.events), page.next_cursor
        if cursor is None:
            return


def _print_json(pages: Iterator[_Page]) -> int:
    for page in pages:
        for event in page.events:
            sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()
    return 0


_COLORS = {"success": "green", "failure": "red", "denied": "yellow"}


def _print_table(pages: Iterator[_Page]) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("when (UTC)", "event", "who", "to whom", "from", "outcome")
    last = None
    for last in pages:
        for event in last.events:
            by = plain(event.actor.email) or who(event.actor)
            if event.impersonator is not None:
                by += f" (as them: {plain(event.impersonator.email) or who(event.impersonator)})"
            where = ", ".join(part for part in (plain(event.context.ip), from_where(event)) if part)
            cells = (plain(event.event_name), by, whom(event), where)
            table.add_row(
                Text(f"{event.occurred_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}", style="cyan"),
                *(Text(cell) for cell in cells),
                Text(event.outcome, style=_COLORS.get(event.outcome, "")),
            )
    Console().print(table)
    if last is not None:
        through = last.settled_through
        settled = "not known yet" if through is None else f"{through:%Y-%m-%d %H:%M:%S} UTC"
        more = "; there are more" if last.next_cursor else ""
        print(
            f"{table.row_count} events{more}. Complete for what was received until: {settled};"
            f" set aside: {last.set_aside}",
            file=sys.stderr,
        )
    return 0


def _file_name(answer: httpx.Response) -> str:
    named = re.fullmatch(
        r'attachment; filename="([A-Za-z0-9][A-Za-z0-9._-]*)"',
        answer.headers.get("content-disposition", ""),
    )
    if named is None:
        raise _ProblemError("the query service named no file: use --output")
    return named[1]


def _save(answer: httpx.Response, file: Path) -> None:
    """Write the whole of it, or leave no file."""
    from rich.console import Console
    from rich.progress import (
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TransferSpeedColumn,
    )

    part = file.with_name(f"{file.name}.part")
    # How large it becomes is not known before its end.
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    try:
        with (
            part.open("wb") as out,
            Progress(
                *columns, console=console, transient=True, disable=not console.is_terminal
            ) as progress,
        ):
            task = progress.add_task(file.name, total=None)
            for chunk in answer.iter_bytes():
                out.write(chunk)
                progress.advance(task, len(chunk))
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    print(f"{file}: {file.stat().st_size:,} bytes", file=sys.stderr)
