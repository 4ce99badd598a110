"""Reads pages of events: in ever wider windows of time, and exact under every filter."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.event import Event, event_from_row, utc
from orgtrail_query_service.reads.search import Place, Search
from orgtrail_query_service.reads.statements import Statement, Window
from orgtrail_schemas.limits import RETENTION
from orgtrail_schemas.tables import stored_columns

T = TypeVar("T")

_WIDTHS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
_FILTERED_WIDTHS = (timedelta(days=7),)
"""Planning a statement costs more than asking the indexes for a longer time."""
_ASKED_AFTER_S = 1.0
_UUID7_MARGIN = timedelta(hours=1)
# A day more on each side: the retention is a condition of each statement, to the millisecond.
_ANY_EVENT = RETENTION + timedelta(days=2)


class Log(Protocol):
    """One organization's log, as reads need it; ``auth.logs.OrganizationLog`` is the real one."""

    @property
    def org(self) -> str:
        """The organization's ID."""
        ...

    async def rows(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """The rows of a statement."""
        ...

    async def settled_through(self) -> datetime | None:
        """The low watermark (UTC) of a moment ago; ``None`` until every partition has reported."""
        ...


class Page(msgspec.Struct, frozen=True):
    """Events in order. ``last`` is where the next page continues, ``None`` on the last page."""

    events: list[Event]
    last: Place | None


class Settled(msgspec.Struct, frozen=True):
    """How complete an answer is.

    Everything received before ``settled_through`` (UTC) is in the answer or counted in
    ``set_aside``; ``None`` until the consumer has reported on every partition. ``set_aside`` may
    include records from outside of the range.
    """

    settled_through: datetime | None
    set_aside: int


async def read_page(
    log: Log, search: Search, after: Place | None, columns: Sequence[str] = stored_columns()
) -> Page:
    """One page of a search; the fields of its events that are not of ``columns`` are empty.

    A filtered read has two steps: all copies (indexes, no FINAL) give candidates, which may be
    later copies of events; of these, FINAL keeps those whose first copy matches. If copies fall
    away, the page is filled up from the next candidates.
    """
    wanted = search.limit + 1
    read = _filtered if search.values else _unfiltered
    found = await read(log, search, after, wanted, columns)
    if len(found) < wanted:
        return Page(found, None)
    page = found[: search.limit]
    return Page(page, page[-1].place)


async def _unfiltered(
    log: Log, search: Search, after: Place | None, wanted: int, columns: Sequence[str]
) -> list[Event]:
    found: list[Event] = []
    for window in windows(search, after):
        step = statements.page(log.org, search, window, after, wanted - len(found), columns)
        found += [event_from_row(row, columns) for row in await log.rows(step)]
        if len(found) >= wanted:
            break
    return found


async def _filtered(
    log: Log, search: Search, after: Place | None, wanted: int, columns: Sequence[str]
) -> list[Event]:
    found: list[Event] = []
    keys: list[Place] = []
    for number, window in enumerate(windows(search, after)):
        place, exhausted = after, False
        while not exhausted:
            missing = wanted - len(found) - len(keys)
            step = statements.candidates(
                log.org, search, window, place, missing, old=number > 0 and search.order == "newest"
            )
            more = [Place(utc(row[0]), row[1]) for row in await log.rows(step)]
            exhausted = len(more) < missing
            place = more[-1] if more else place
            keys += more
            if len(found) + len(keys) >= wanted:
                found += await _first_copies(log, search, keys, columns)
                keys = []
            if len(found) >= wanted:
                return found
    return found + await _first_copies(log, search, keys, columns)


async def _first_copies(
    log: Log, search: Search, keys: Sequence[Place], columns: Sequence[str]
) -> list[Event]:
    """The second step, once for the candidates of all windows: planning costs more than reading."""
    if not keys:
        return []
    rows = await log.rows(statements.events_of(log.org, search, keys, columns))
    return [event_from_row(row, columns) for row in rows]


async def read_event(
    log: Log, event_id: UUID, now: datetime, occurred_at: datetime | None = None
) -> Event | None:
    """One event: the one with this ID that occurred at a time, to the millisecond.

    An ID that a sender used again with another time is another event. Without ``occurred_at`` it is
    the one that was received first, searched around the time in its UUIDv7 first, then in the whole
    retention.
    """
    whole = Window(now - RETENTION - timedelta(days=1), now + timedelta(days=1))
    tries = [whole]
    if occurred_at is not None:
        if not whole.since <= occurred_at < whole.until:
            return None
        tries = [Window(occurred_at, occurred_at + timedelta(milliseconds=1))]
    elif event_id.version == 7:
        milliseconds = event_id.int >> 80
        if abs(milliseconds - now.timestamp() * 1000) < _ANY_EVENT / timedelta(milliseconds=1):
            moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
            tries.insert(0, Window(moment - _UUID7_MARGIN, moment + _UUID7_MARGIN))
    for window in tries:
        keys = await log.rows(statements.keys_of_event(log.org, event_id, window))
        if keys:
            place = Place(utc(keys[0][0]), keys[0][1])
            search = Search(since=window.since, until=window.until)
            rows = await log.rows(statements.events_of(log.org, search, [place]))
            if rows:
                return event_from_row(rows[0])
    return None


async def read_settled(log: Log, search: Search) -> Settled:
    """How complete the answer will be. Ask this before the data, never after."""
    through = await log.settled_through()
    return Settled(through, await _set_aside(log, search))


async def read_with_settled(
    log: Log, search: Search, read: Callable[[], Awaitable[T]]
) -> tuple[Settled, T]:
    """The data, and how complete it is; what is set aside is read at the same time as the data.

    Raises:
        Problem: one of the two raised it.
    """
    through = await log.settled_through()
    aside = asyncio.ensure_future(_set_aside(log, search))
    try:
        found = await read()
        return Settled(through, await aside), found
    finally:
        aside.cancel()
        await asyncio.gather(aside, return_exceptions=True)


async def _set_aside(log: Log, search: Search) -> int:
    return int((await log.rows(statements.set_aside(log.org, search.since)))[0][0])


class Watermark:
    """The low watermark, the same for all organizations. It is read at most once a second.

    An older one is lower, so an answer that was read after it is complete up to there as well.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """``now_s`` is a clock of seconds that never goes back."""
        self._now_s = now_s
        self._through: datetime | None = None
        self._read_at = -math.inf
        self._reading = False

    async def read(
        self, rows: Callable[[Statement], Awaitable[Sequence[Sequence[Any]]]]
    ) -> datetime | None:
        """The time (UTC) up to which everything is settled, as ``rows`` answered it lately."""
        began = self._now_s()
        age = began - self._read_at
        # While one caller asks, the others take what there is for a second more.
        if age >= (_ASKED_AFTER_S * 2 if self._reading else _ASKED_AFTER_S):
            self._reading = True
            try:
                through = (await rows(statements.settled_through()))[0][0]
                self._through = None if through is None else utc(through)
                self._read_at = began
            finally:
                self._reading = False
        return self._through


def windows(search: Search, after: Place | None) -> Iterator[Window]:
    """Adjacent windows from where the page begins, each wider than the one before."""
    newest = search.order == "newest"
    since, until = search.since, search.until
    if after is not None:
        # Include the position's own millisecond: other events may share it.
        if newest:
            until = min(until, after.occurred_at + timedelta(milliseconds=1))
        else:
            since = max(since, after.occurred_at)
    for width in (*(_FILTERED_WIDTHS if search.values else _WIDTHS), None):
        if since >= until:
            return
        if newest:
            edge = since if width is None else max(since, until - width)
            yield Window(edge, until)
            until = edge
        else:
            edge = until if width is None else min(until, since + width)
            yield Window(since, edge)
            since = edge
