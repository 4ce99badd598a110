"""Days of a zone as instants: clock changes, the last day, presets, what is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from orgtrail_query_service.page.days import OPENING, read_days
from orgtrail_query_service.problems import Problem

NOW = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)


def at(*moment):
    return datetime(*moment, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "first", "last", "since", "until"),
    [
        ("UTC", "2026-11-20", "2026-11-22", at(2026, 11, 20), at(2026, 11, 23)),
        ("Asia/Kolkata", "2026-11-20", "2026-11-20", at(2026, 11, 19, 18, 30), at(2026, 11, 20, 18, 30)),
        # The day has 23 hours, then 25.
        ("Europe/Paris", "2026-03-29", "2026-03-29", at(2026, 3, 28, 23), at(2026, 3, 29, 22)),
        ("Europe/Paris", "2026-10-25", "2026-10-25", at(2026, 10, 24, 22), at(2026, 10, 25, 23)),
        # Clocks skip midnight: the day begins at one o'clock.
        ("Africa/Cairo", "2026-04-24", "2026-04-24", at(2026, 4, 23, 22), at(2026, 4, 24, 21)),
        # A minute that comes twice: from its first to the end of its second.
        ("Europe/Paris", "2026-10-25T02:30", "2026-10-25T02:30", at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 31)),
        ("UTC", "2026-11-20T09:30", "2026-11-20T09:30", at(2026, 11, 20, 9, 30), at(2026, 11, 20, 9, 31)),
    ],
)  # fmt: skip
def test_the_end_day_is_included_in_its_zone(zone, first, last, since, until):
    days = read_days({"from": first, "to": last, "tz": zone}, NOW)
    assert (days.since, days.until) == (since, until)
    assert (days.first, days.last, days.preset) == (first, last, None)


def test_days_that_follow_each_other_leave_no_gap():
    for zone in ("Europe/Paris", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe"):
        day = datetime(2026, 1, 1).date()
        end = None
        while day < NOW.date():
            text = day.isoformat()
            days = read_days({"from": text, "to": text, "tz": zone}, NOW)
            assert end in (None, days.since)
            end, day = days.until, day + timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "zone", "since", "first"),
    [
        ("24h", "UTC", NOW - timedelta(hours=24), "2026-11-23"),
        ("7d", "UTC", at(2026, 11, 18), "2026-11-18"),
        ("90d", "UTC", NOW - timedelta(days=90), "2026-08-26"),
        # It is tomorrow there.
        ("7d", "Asia/Tokyo", at(2026, 11, 18, 15), "2026-11-19"),
    ],
)
def test_a_preset_ends_now_and_says_its_days(name, zone, since, first):
    days = read_days({"last": name, "tz": zone}, NOW)
    assert (days.since, days.until, days.first, days.preset) == (since, None, first, name)
    same = read_days(dict(days.parameters()), NOW)
    assert same.until is None
    assert same.since <= days.since
    assert (same.first, same.last) == (days.first, days.last)


def test_what_is_left_out():
    assert read_days({}, NOW).preset == OPENING
    # Chosen days beat a preset that the form still carries.
    assert read_days({"last": "7d", "from": "2026-11-01"}, NOW).first == "2026-11-01"
    until_now = read_days({"from": "2026-11-01"}, NOW)
    assert (until_now.until, until_now.last) == (None, "2026-11-24")
    week = read_days({"to": "2026-11-10"}, NOW)
    assert (week.first, week.until) == ("2026-11-04", at(2026, 11, 11))


@pytest.mark.parametrize(
    "given",
    [
        {"tz": "Mars/Olympus"},
        {"tz": "../etc/passwd"},
        {"last": "8d"},
        {"from": "yesterday"},
        {"from": "2026-02-30"},
        {"from": "0001-01-01", "tz": "Asia/Tokyo"},
        {"to": "9999-12-31"},
        {"from": "2026-11-20T09:30:15"},
        {"from": "2026-11-20T"},
        {"from": "2026-11-25"},
        {"from": "2026-1-3"},
        {"from": "20261103"},
        {"from": "2026-11-3T9:5"},
        {"to": "0001-01-02"},
        {"from": "2026-11-20", "to": "2026-11-19"},
    ],
)
def test_what_cannot_be_used_is_named(given):
    with pytest.raises(Problem) as error:
        read_days(given, NOW)
    assert error.value.status == 400
    assert error.value.detail.split(":")[0] in given or error.value.detail.startswith("to:")
