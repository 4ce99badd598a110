from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orgtrail_query_service.reads.calendar import bucket_edges
from orgtrail_query_service.reads.pages import Settled
from orgtrail_query_service.reads.search import Search
from orgtrail_query_service.reads.summary import MOST_ACTORS, Bucket, read_summary

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEEK = Search(NOW - timedelta(days=7), NOW, clamped=True)
SETTLED = Settled(NOW - timedelta(seconds=1), 3)


class Log:
    org = "acme"

    def __init__(self, *rows):
        self.found, self.asked = rows, []

    async def rows(self, statement):
        self.asked.append(statement)
        return self.found


def time(hours, level, count):
    return ("time", int((NOW - timedelta(hours=hours)).timestamp()), level, "", "", "", "", count)


def event(key, count):
    return ("event", 0, "", key, "", "", "", count)


def actor(number, count):
    return ("actor", 0, "", "", "user", f"u{number}", f"{number}@x.org", count)


async def test_counts_of_levels_come_together_in_order_of_time():
    rows = [time(1, "user", 5), time(12, "other", 1), time(1, "organization", 2)]
    found = await read_summary(Log(*rows), WEEK, SETTLED)
    assert found.buckets == [
        Bucket(NOW - timedelta(hours=12), 0, 0, 1),
        Bucket(NOW - timedelta(hours=1), 5, 2, 0),
    ]
    assert found.total == 8


async def test_only_times_count_for_the_total():
    found = await read_summary(
        Log(time(1, "user", 5), event("user.login", 5), actor(1, 5)), WEEK, SETTLED
    )
    assert found.total == 5


async def test_an_event_has_its_name_and_an_unlisted_one_its_key():
    found = await read_summary(Log(event("user.login", 5), event("x.unlisted", 1)), WEEK, SETTLED)
    first, second = found.events
    assert (first.event, first.events) == ("user.login", 5)
    assert first.event_name != "user.login"
    assert (second.event_name, second.events) == ("x.unlisted", 1)


async def test_the_most_active_come_first_and_are_few():
    rows = [actor(n, 100 - n) for n in range(MOST_ACTORS + 3)]
    found = await read_summary(Log(*rows), WEEK, SETTLED)
    assert [(a.id, a.events) for a in found.actors] == [
        (f"u{n}", 100 - n) for n in range(MOST_ACTORS)
    ]


async def test_a_summary_of_nothing_says_what_it_is_of():
    found = await read_summary(Log(), WEEK, Settled(None, 0))
    assert (found.total, found.buckets, found.events, found.actors) == (0, [], [], [])
    assert (found.since, found.until, found.clamped) == (WEEK.since, WEEK.until, True)
    assert (found.settled_through, found.set_aside) == (None, 0)


async def test_it_says_how_complete_it_is():
    found = await read_summary(Log(), WEEK, SETTLED)
    assert (found.settled_through, found.set_aside) == (SETTLED.settled_through, 3)


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Asia/Kathmandu")], ids=str)
async def test_one_statement_asks_for_the_buckets_of_the_readers_days(zone):
    log = Log()
    found = await read_summary(log, WEEK, SETTLED, zone)
    (asked,) = log.asked
    edges = bucket_edges(WEEK, zone)
    assert asked.parameters["edges"] == [int(edge.timestamp()) for edge in edges]
    assert asked.parameters["org"] == "acme"
    # No bucket may be cut off: there is a row for each level.
    assert asked.parameters["most"] >= 3 * len(edges)
    assert found.bucket_seconds == 6 * 3600
