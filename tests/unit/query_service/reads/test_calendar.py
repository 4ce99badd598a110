import itertools
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.calendar import (
    MAX_BUCKETS,
    bucket_edges,
    bucket_seconds,
    midnight,
)
from orgtrail_query_service.reads.search import Search, parse_search

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARIS, HAVANA = ZoneInfo("Europe/Paris"), ZoneInfo("America/Havana")


def back(since=NOW, **span):
    return Search(since - timedelta(**span), since)


@pytest.mark.parametrize(
    ("span", "seconds"),
    [
        ({"milliseconds": 1}, 60),
        ({"hours": 2}, 60),
        ({"hours": 2, "seconds": 1}, 300),
        ({"hours": 10}, 300),
        ({"hours": 30}, 900),
        ({"days": 5}, 3600),
        ({"days": 30}, 6 * 3600),
        ({"days": 90}, 86_400),
    ],
)
def test_buckets_are_the_finest_that_a_chart_can_show(span, seconds):
    search = back(**span)
    assert bucket_seconds(search) == seconds
    # A bucket at each end may be cut, and a day of 25 hours begins one more.
    assert len(bucket_edges(search, UTC)) <= MAX_BUCKETS + 1


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Paris", "Asia/Kathmandu", "America/Havana", "Pacific/Apia"]
)
@pytest.mark.parametrize(
    "span", [{"minutes": 90}, {"hours": 20}, {"days": 6}, {"days": 29}, {"days": 88}]
)
def test_edges_cover_the_range_in_order_and_begin_every_day(zone, span):
    search, zone = back(**span), ZoneInfo(zone)
    edges = bucket_edges(search, zone)
    assert edges[0] <= search.since < [*edges, search.until][1]
    assert edges[-1] < search.until
    assert all(a < b for a, b in itertools.pairwise(edges))
    day = search.since.astimezone(zone).date() + timedelta(days=1)
    while (begins := midnight(day, zone)) < search.until:
        assert begins in edges, day
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 10, 25), 25), (date(2026, 3, 29), 23), (date(2026, 6, 1), 24)]
)
def test_a_day_is_one_bucket_however_many_hours_it_has(day, hours):
    begins = midnight(day, PARIS)
    edges = bucket_edges(Search(begins - timedelta(days=40), begins + timedelta(days=20)), PARIS)
    place = edges.index(begins)
    assert edges[place + 1] - begins == timedelta(hours=hours)


def test_a_day_begins_when_clocks_skip_midnight():
    assert midnight(date(2026, 3, 8), HAVANA) == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert midnight(date(2026, 11, 23), PARIS) == datetime(2026, 11, 22, 23, tzinfo=UTC)


def test_an_empty_range_has_one_edge():
    (edge,) = bucket_edges(Search(NOW, NOW), UTC)
    assert NOW - timedelta(minutes=1) <= edge <= NOW


@pytest.mark.parametrize("year", [2030, 2100])
def test_a_range_that_ends_far_ahead_has_no_more_buckets_than_a_chart(year):
    with suppress(Problem):
        search = parse_search([("until", f"{year}-01-01T00:00:00Z")], NOW, paged=False)
        assert len(bucket_edges(search, UTC)) <= MAX_BUCKETS + 2
