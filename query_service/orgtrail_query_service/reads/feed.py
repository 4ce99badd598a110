"""The feed: events in the order in which they were received, for pullers that miss nothing.

A page by ``occurred_at`` misses what arrives late: an event of yesterday belongs before a position
that a puller has passed. The feed is ordered by receipt, and never passes ``settled_through``:
everything received before that time is stored, so nothing can appear before a position any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from orgtrail_query_service.problems import Problem, bad_parameter
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.event import Event, event_from_row, utc
from orgtrail_query_service.reads.pages import Log
from orgtrail_query_service.reads.search import Place, Search, parse_instant, parse_search
from orgtrail_query_service.reads.statements import Window
from orgtrail_schemas.limits import CLOCK_SKEW, RETENTION

ORDER = "received"
RECEIVED_SINCE = "received_since"

# From a second on: a spool that drains brings a hundred thousand events in a minute.
_WIDTHS = tuple(
    timedelta(seconds=s)
    for s in (1, 10, 120, 1_200, 4 * 3_600, 16 * 3_600, 2 * 86_400, 20 * 86_400)
)


_CANDIDATES = 200
"""Records that are looked at together: copies that lost must not cost a statement each."""


class Position(NamedTuple):
    """Where the feed continues: after the record received at this time, partition and offset."""

    received_at: datetime
    partition: int
    offset: int


def begin(moment: datetime) -> Position:
    """The position before the first record that was received at a time or later."""
    return Position(moment, -1, 0)


def parse_feed(parameters: Iterable[tuple[str, str]], now: datetime) -> tuple[Search, Position]:
    """The filters of a feed, and where it begins if there is no cursor.

    Without ``received_since`` that is with everything that is kept.

    Raises:
        Problem: a parameter is unknown, given twice, or has a value that cannot be used.
    """
    starts, rest = [], []
    for name, value in parameters:
        if name == RECEIVED_SINCE:
            starts += [value] if value else []
        elif name in ("since", "until") and value:
            raise bad_parameter(name, f"cannot be used with order={ORDER}; use {RECEIVED_SINCE}")
        elif name != "order":
            rest.append((name, value))
    if len(starts) > 1:
        raise bad_parameter(RECEIVED_SINCE, "may be given once")
    search = parse_search(rest, now)
    # What occurred within the retention was received no earlier than the clock skew before it.
    earliest = now - RETENTION - CLOCK_SKEW
    asked = parse_instant(starts[0] if starts else None, RECEIVED_SINCE)
    return replace(search, order="oldest"), begin(max(asked or earliest, earliest))


async def read_feed(
    log: Log,
    search: Search,
    after: Position,
    settled_through: datetime | None,
    is_late: Callable[[], bool] = lambda: False,
) -> tuple[list[Event], Position]:
    """The next events after a position, at most ``search.limit``, and the position after them.

    There may be fewer events, or none, although more come later: where a filter or lost copies
    leave little, the answer ends when ``is_late`` says so, and the position has moved on.

    Raises:
        Problem: a statement failed before the position moved.
    """
    found: list[Event] = []
    position = after
    if settled_through is None:
        return found, after
    for width in (*_WIDTHS, None):
        since = position.received_at
        if since >= settled_through:
            break
        edge = settled_through if width is None else min(settled_through, since + width)
        while position.received_at < edge:
            missing = search.limit - len(found)
            if not missing or (position != after and is_late()):
                return found, position
            try:
                events, position = await _step(log, search, position, edge, missing)
            except Problem:
                if position == after:
                    raise
                return found, position
            found += events
    return found, position


async def _step(
    log: Log, search: Search, position: Position, edge: datetime, most: int
) -> tuple[list[Event], Position]:
    """Events of the next records before an edge; ``begin(edge)`` when there are no more."""
    asked = max(most, _CANDIDATES)
    window = Window(position.received_at, edge)
    rows = await log.rows(statements.received(log.org, search, window, position, asked))
    keys = {
        Position(utc(received), partition, offset): Place(utc(occurred), event_id)
        for occurred, event_id, received, partition, offset in rows
    }
    events = await _surviving(log, search, keys) if keys else []
    if len(events) > most:
        return events[:most], _position(events[most - 1])
    return events, max(keys) if len(rows) == asked else begin(edge)


async def _surviving(log: Log, search: Search, keys: dict[Position, Place]) -> list[Event]:
    """Of the records at these positions, those that readers see: of copies, the first."""
    rows = await log.rows(statements.events_of(log.org, search, sorted(set(keys.values()))))
    events = {_position(event): event for event in map(event_from_row, rows)}
    return [events[position] for position in sorted(keys) if position in events]


def _position(event: Event) -> Position:
    return Position(event.received_at, event.source.partition, event.source.offset)
