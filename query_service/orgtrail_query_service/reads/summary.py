"""Counts of a search: what the page draws."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import msgspec

from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.pages import Rows, Settled
from orgtrail_query_service.reads.search import Search
from orgtrail_schemas.catalogue import LEVELS, catalogue

_BUCKETS_S = (60, 300, 900, 3600, 6 * 3600, 86400)
_MOST_BUCKETS = 120
MOST_ACTORS = 10


class Bucket(msgspec.Struct, frozen=True):
    """How many events of each level occurred from ``at`` (UTC) on, within a bucket's width."""

    at: datetime
    user: int
    organization: int
    other: int


class EventCount(msgspec.Struct, frozen=True):
    """How often an event occurred."""

    event: str
    event_name: str
    events: int


class ActorCount(msgspec.Struct, frozen=True):
    """How many events somebody caused."""

    type: str
    id: str
    email: str
    events: int


class Summary(msgspec.Struct, frozen=True):
    """Counts of a search. Buckets without events are left out; ``bucket_seconds`` is their width.

    ``events`` has every event that occurred, ``actors`` the most active, both the largest first.
    """

    since: datetime
    until: datetime
    clamped: bool
    total: int
    bucket_seconds: int
    buckets: list[Bucket]
    events: list[EventCount]
    actors: list[ActorCount]
    settled_through: datetime | None
    set_aside: int


async def read_summary(
    db: Rows, org: str, search: Search, settled: Settled, zone: tzinfo = UTC
) -> Summary:
    """The counts of a search, each event once; buckets follow the days of a zone."""
    edges = bucket_edges(search, zone)
    most = (_MOST_BUCKETS + 2) * len(LEVELS)
    levels: dict[datetime, dict[str, int]] = defaultdict(lambda: dict.fromkeys(LEVELS, 0))
    events: list[EventCount] = []
    actors: list[ActorCount] = []
    names = {key: known.name for key, known in catalogue().events.items()}
    for part, at, level, event, kind, id_, email, count in await db.rows(
        statements.summary(org, search, edges, most)
    ):
        if part == "time":
            levels[datetime.fromtimestamp(at, UTC)][level] += count
        elif part == "event":
            events.append(EventCount(event, names.get(event, event), count))
        elif len(actors) < MOST_ACTORS:
            actors.append(ActorCount(kind, id_, email, count))
    return Summary(
        since=search.since,
        until=search.until,
        clamped=search.clamped,
        total=sum(sum(of.values()) for of in levels.values()),
        bucket_seconds=bucket_seconds(search),
        buckets=[Bucket(at, **levels[at]) for at in sorted(levels)],
        events=events,
        actors=actors,
        settled_through=settled.settled_through,
        set_aside=settled.set_aside,
    )


def bucket_seconds(search: Search) -> int:
    """The finest width that needs no more buckets than a chart can show."""
    seconds = (search.until - search.since).total_seconds()
    return next((w for w in _BUCKETS_S if seconds / w <= _MOST_BUCKETS), _BUCKETS_S[-1])


def bucket_edges(search: Search, zone: tzinfo) -> list[datetime]:
    """Where the buckets of a search begin, in UTC; each day of the zone begins one."""
    width = timedelta(seconds=bucket_seconds(search))
    if width >= timedelta(days=1):
        # A day is one bucket, also when it has 25 hours.
        width = timedelta(hours=25)
    day = search.since.astimezone(zone).date()
    edges: list[datetime] = []
    edge = midnight(day, zone)
    while edge < search.until:
        day += timedelta(days=1)
        following = midnight(day, zone)
        while edge < min(following, search.until):
            edges.append(edge)
            edge += width
        edge = following
    first = max((i for i, edge in enumerate(edges) if edge <= search.since), default=0)
    # A range that lies before the retention is empty once it is clamped.
    return edges[first:] or [search.since]


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a day of a zone begins, in UTC; where clocks skip midnight, when they do."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
