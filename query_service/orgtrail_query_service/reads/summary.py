"""Counts of a search: what the page draws."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, tzinfo

import msgspec

from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.calendar import MAX_BUCKETS, bucket_edges, bucket_seconds
from orgtrail_query_service.reads.pages import Log, Settled
from orgtrail_query_service.reads.search import Search
from orgtrail_schemas.catalogue import LEVELS, catalogue

MOST_ACTORS = 10


class Bucket(msgspec.Struct, frozen=True):
    """How many events of each level occurred in the bucket that starts at ``at`` (UTC)."""

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
    """How many events an actor caused."""

    type: str
    id: str
    email: str
    events: int


class Summary(msgspec.Struct, frozen=True):
    """Counts of a search. Empty buckets are omitted; ``bucket_seconds`` is their width.

    ``events`` lists every event type that occurred, ``actors`` the most active ones; both are
    sorted by count.
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


async def read_summary(log: Log, search: Search, settled: Settled, zone: tzinfo = UTC) -> Summary:
    """Count the events of a search, each once. Buckets are aligned to the days of the zone."""
    edges = bucket_edges(search, zone)
    most = (MAX_BUCKETS + 2) * len(LEVELS)
    levels: dict[datetime, dict[str, int]] = defaultdict(lambda: dict.fromkeys(LEVELS, 0))
    events: list[EventCount] = []
    actors: list[ActorCount] = []
    names = {key: known.name for key, known in catalogue().events.items()}
    for part, at, level, event, kind, id_, email, count in await log.rows(
        statements.summary(log.org, search, edges, most)
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
