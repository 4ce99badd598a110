"""What the checklist makes of ClickHouse's answers."""

from datetime import UTC, date, datetime, timedelta

import pytest

from orgtrail_deploy.check.findings import Verdict
from orgtrail_deploy.check.in_clickhouse import (
    judge_clock,
    judge_disk,
    judge_freshness,
    judge_migrations,
    judge_retention,
    judge_version,
    judge_view,
    privileges,
)
from orgtrail_deploy.settled import Settled
from orgtrail_schemas.catalogue import catalogue
from orgtrail_schemas.tables import event_columns

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)  # a Thursday
THIS, LAST = date(2026, 11, 23), date(2026, 11, 16)
GB = 10**9


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("26.9.1.1", Verdict.OK),
        ("26.10.3.2", Verdict.OK),
        ("27.1.2.3", Verdict.OK),
        ("26.8.9.9", Verdict.FAILED),
        ("25.12.1.1", Verdict.FAILED),
    ],
)
def test_an_old_server_fails(version, verdict):
    assert judge_version(version).verdict is verdict


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, Verdict.OK), (4, Verdict.OK), (6, Verdict.FAILED), (-4, Verdict.OK), (-6, Verdict.FAILED)],
)
def test_a_clock_that_is_off_fails(seconds, verdict):
    here = (NOW, NOW + timedelta(milliseconds=20))
    assert judge_clock("?", NOW + timedelta(seconds=seconds), here).verdict is verdict


def test_between_the_two_readings_no_clock_is_off():
    here = (NOW, NOW + timedelta(seconds=15))
    assert judge_clock("?", NOW + timedelta(seconds=7), here).seen == "at most 15.0 s off"


def test_missing_and_newer_migrations_fail():
    assert judge_migrations({1, 2}, {1, 2}).verdict is Verdict.OK
    assert judge_migrations({1}, {1, 2, 3}).seen == "0002, 0003 not applied"
    assert judge_migrations({1, 2, 3}, {1, 2}).seen == "0003 of a newer Orgtrail"
    assert judge_migrations(set(), {1}).verdict is Verdict.FAILED


TABLE = (
    "CREATE TABLE x (a Int) ENGINE = M ORDER BY a TTL toDateTime(a) + toIntervalDay(90) SETTINGS"
)


@pytest.mark.parametrize(
    ("table", "days", "verdict"),
    [
        (TABLE, 0, Verdict.OK),
        (TABLE, 98, Verdict.OK),
        (TABLE, 100, Verdict.FAILED),
        (TABLE, None, Verdict.OK),
        (TABLE.replace("90", "900"), 0, Verdict.FAILED),
        (TABLE.replace("TTL toDateTime(a) + toIntervalDay(90) ", ""), 0, Verdict.FAILED),
    ],
)
def test_what_is_past_the_retention_is_gone(table, days, verdict):
    oldest = None if days is None else NOW.date() - timedelta(days=days)
    assert judge_retention(table, oldest, NOW.date()).verdict is verdict


def test_the_view_is_that_of_this_version():
    names = [column.name for column in event_columns()]
    view = " ".join(f"'{key}'" for key in catalogue().events)
    assert judge_view(names, view).verdict is Verdict.OK
    assert judge_view(names[:-1], view).verdict is Verdict.FAILED
    assert (
        judge_view(names, view.replace("'user.login'", "")).seen == "user.login has no name in it"
    )


@pytest.mark.parametrize(
    ("free", "weeks", "verdict", "to_come"),
    [
        # 13.9 weeks of 1 GB with a fifth to spare are 16.6 GB, of which 1.5 are there.
        (16 * GB, {LAST: GB, THIS: GB // 2}, Verdict.OK, "15 GB"),
        (15 * GB, {LAST: GB, THIS: GB // 2}, Verdict.FAILED, "15 GB"),
        # Before there is a whole week: half of the week has passed.
        (33 * GB, {THIS: GB}, Verdict.OK, "32 GB"),
        (31 * GB, {THIS: GB}, Verdict.FAILED, "32 GB"),
        (1, {}, Verdict.OK, "0 B"),
        # As much as it will ever be.
        (1, {LAST - timedelta(weeks=n): 2 * GB for n in range(1, 14)} | {LAST: GB}, Verdict.OK, "0 B"),
    ],
)  # fmt: skip
def test_the_disk_has_room_until_the_retention_is_full(free, weeks, verdict, to_come):
    finding = judge_disk("default", free, weeks, NOW)
    assert finding.verdict is verdict, finding.seen
    assert f"about {to_come} more" in finding.seen


@pytest.mark.parametrize(
    ("reported", "partitions", "behind", "verdict"),
    [
        (4, 4, 5, Verdict.OK),
        (4, 4, 61, Verdict.FAILED),
        (3, 4, 5, Verdict.FAILED),
        (0, 0, 0, Verdict.FAILED),
    ],
)
def test_readers_see_what_arrived_a_minute_ago(reported, partitions, behind, verdict):
    found = Settled(reported, partitions, NOW - timedelta(seconds=behind))
    assert judge_freshness(found, NOW).verdict is verdict


def test_grants_are_compared_one_by_one():
    assert privileges("GRANT SELECT(a, b), INSERT ON x.y TO z") == {
        "SELECT(a, b) ON x.y",
        "INSERT ON x.y",
    }
    assert privileges("SELECT ON x.y") == privileges("GRANT SELECT ON x.y TO z")
