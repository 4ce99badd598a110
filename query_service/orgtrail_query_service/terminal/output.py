"""Output: a table, JSON Lines, or a whole file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orgtrail_query_service.reads.display import VIEWED, from_where, plain, who, whom
from orgtrail_query_service.reads.times import with_times
from orgtrail_query_service.terminal.api_client import Page

if TYPE_CHECKING:
    import httpx
    from rich.text import Text

    from orgtrail_query_service.reads.event import Event

_WIDE = 120
"""From this many columns on, a table shows everything; below, what fits into 80."""

_COLUMNS = ("when (UTC)", "event", "who", "to whom", "from", "outcome")
_ONLY_WIDE = ("to whom", "from")
_WHOLE = ("when (UTC)", "outcome")
_COLORS = {"success": "green", "failure": "red", "denied": "yellow"}


def print_json(pages: Iterator[Page]) -> None:
    """Print each event as a line of JSON."""
    for page in pages:
        for event in page.events:
            sys.stdout.buffer.write(msgspec.json.encode(with_times(event)) + b"\n")
    sys.stdout.buffer.flush()


def print_table(pages: Iterator[Page]) -> None:
    """Print a table, and what it is complete for on standard error."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    wide = console.width >= _WIDE
    columns = _COLUMNS if wide else [name for name in _COLUMNS if name not in _ONLY_WIDE]
    table = Table(
        *(Column(name, no_wrap=name in _WHOLE) for name in columns),
        padding=(0, 1 if wide else 0),
        box=box.HEAVY_HEAD if wide else box.SIMPLE_HEAD,
    )
    last = None
    for last in pages:
        for event in last.events:
            cells = _cells(event, wide=wide)
            table.add_row(*(cells[name] for name in columns))
    with console.capture() as printed:
        console.print(table)
    # Rich would take a closed pipe for an error.
    sys.stdout.write(printed.get())
    if last is not None:
        through = last.settled_through
        complete = "not known yet" if through is None else f"{through:%Y-%m-%d %H:%M:%S} UTC"
        more = "; there are more (raise --limit)" if last.next_cursor else ""
        print(
            f"{table.row_count} events{more}. Complete for everything received before: {complete};"
            f" could not be stored: {last.set_aside}",
            file=sys.stderr,
        )


def _cells(event: Event, *, wide: bool) -> dict[str, Text]:
    from rich.text import Text

    by = plain(event.actor.email) or who(event.actor)
    if event.impersonator is not None:
        by += f" (as them: {plain(event.impersonator.email) or who(event.impersonator)})"
    where = ", ".join(part for part in (plain(event.context.ip), from_where(event)) if part)
    form = "%Y-%m-%d %H:%M:%S" if wide else "%m-%d %H:%M:%S"
    when = f"{event.occurred_at.astimezone(UTC):{form}}"
    return {
        "when (UTC)": Text(f"{when[:-6]}h" if event.event == VIEWED else when, style="cyan"),
        "event": Text(plain(event.event_name)),
        "who": Text(by if wide or not event.targets else f"{by}\n→ {whom(event)}"),
        "to whom": Text(whom(event)),
        "from": Text(where),
        "outcome": Text(event.outcome, style=_COLORS.get(event.outcome, "")),
    }


def save(answer: httpx.Response, file: Path) -> None:
    """Download to a file; a transfer that breaks off leaves no file."""
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
    # The size is unknown before the end.
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
