"""The bars: one for each bucket, each day of the zone begins one."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orgtrail_query_service.page.histogram import bars
from orgtrail_query_service.reads.calendar import bucket_edges
from orgtrail_query_service.reads.search import Search
from orgtrail_query_service.reads.summary import Bucket

PARIS = ZoneInfo("Europe/Paris")


def at(*moment):
    return datetime(*moment, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "zone", "count", "first"),
    [
        (at(2026, 11, 20), at(2026, 11, 20, 2), UTC, 120, at(2026, 11, 20)),
        (at(2026, 11, 20, 0, 30), at(2026, 11, 21, 0, 30), UTC, 96, at(2026, 11, 20, 0, 30)),
        (at(2026, 11, 17, 23), at(2026, 11, 24, 23), PARIS, 28, at(2026, 11, 17, 23)),
        # Over a change of clocks a day is one bar still.
        (at(2026, 10, 1, 22), at(2026, 11, 1, 23), PARIS, 31, at(2026, 10, 1, 22)),
        (at(2026, 8, 27), at(2026, 11, 25), UTC, 90, at(2026, 8, 27)),
    ],
)
def test_edges(since, until, zone, count, first):
    edges = bucket_edges(Search(since=since, until=until), zone)
    assert edges[0] == first
    assert edges == sorted(set(edges))
    assert len(edges) == count
    day = since.astimezone(zone).date() + timedelta(days=1)
    while (midnight := datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)) < until:
        assert midnight in edges
        day += timedelta(days=1)


def test_a_range_that_was_clamped_to_nothing_is_one_bar():
    start = at(2026, 8, 27)
    assert bucket_edges(Search(since=start, until=start), UTC) == [start]


def test_bars_stack_levels_in_hundredths_of_the_highest():
    edges = [at(2026, 11, 20, hour) for hour in (0, 1, 2)]
    counts = [Bucket(edges[0], user=3, organization=1, other=0), Bucket(edges[2], 2, 0, 0)]
    made = bars(counts, edges, at(2026, 11, 20, 3), PARIS)
    assert [bar.total for bar in made] == [4, 0, 2]
    assert [(p.level, p.y, p.height) for p in made[0].parts] == [
        ("user", 25.0, 75.0),
        ("organization", 0.0, 25.0),
    ]
    assert made[2].parts[0].height == 50
    # A zoom names the minutes in the page's zone, the last one included.
    assert (made[0].first, made[0].last) == ("2026-11-20T01:00", "2026-11-20T01:59")
    assert made[2].of("user") == 2


def test_no_events_are_flat_bars():
    edges = [at(2026, 11, 20)]
    assert bars([], edges, at(2026, 11, 21), PARIS)[0].parts == []
