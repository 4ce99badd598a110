"""Days and buckets of time in a reader's zone, as instants in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from orgtrail_query_service.reads.search import Search

MAX_BUCKETS = 120
_BUCKETS_S = (60, 300, 900, 3600, 6 * 3600, 86400)


def bucket_seconds(search: Search) -> int:
    """The smallest bucket width that fits into a chart."""
    seconds = (search.until - search.since).total_seconds()
    return next((w for w in _BUCKETS_S if seconds / w <= MAX_BUCKETS), _BUCKETS_S[-1])


def bucket_edges(search: Search, zone: tzinfo) -> list[datetime]:
    """The starts of the buckets of a search, in UTC. Each day of the zone starts a bucket."""
    width = timedelta(seconds=bucket_seconds(search))
    if width >= timedelta(days=1):
        # A day is one bucket, even if it has 25 hours.
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
    # A range from before the retention is empty after clamping.
    return edges[first:] or [search.since]


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a day of a zone starts, in UTC. If clocks skip midnight, the time of the change."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
