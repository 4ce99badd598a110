"""What the page's address says, and where its links lead."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from tests.support.api_rows import row

from orgtrail_query_service.page.address import read_view
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.event import event_from_row

NOW = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)
GIVEN = [
    ("event", "user.login"),
    ("event", "user.logout"),
    ("user", "bob@x.org"),
    ("q", ""),
    ("last", "30d"),
    ("tz", "Europe/Paris"),
    ("limit", "200"),
    ("cursor", "abc"),
]


EVENT = event_from_row(row(datetime(2026, 11, 24, 1, 2, 3, 4000, tzinfo=UTC), UUID(int=7)))


@pytest.fixture
def view():
    return read_view("", "acme", GIVEN, NOW)


def query(address):
    return parse_qsl(urlsplit(address).query)


def test_every_filter_is_a_chip_that_takes_itself_away(view):
    chips = view.chips()
    assert [(chip.title, chip.value) for chip in chips] == [
        ("Event", "User - Logged In"),
        ("Event", "User - Logged Out"),
        ("User", "bob@x.org"),
    ]
    left = query(chips[0].without)
    assert ("event", "user.login") not in left
    assert {("event", "user.logout"), ("user", "bob@x.org"), ("tz", "Europe/Paris")} <= set(left)


def test_a_cursor_and_empty_values_are_left_behind(view):
    assert view.search.cursor == "abc"
    for address in (
        view.link(),
        view.permanent(),
        view.event(EVENT),
        view.own(EVENT),
        view.dated(("last", "7d")),
    ):
        assert not {"cursor", "q"} & {name for name, _ in query(address)}


def test_the_address_of_an_event_names_its_whole_key(view):
    when = ("occurred_at", "2026-11-24T01:02:03.004Z")
    assert query(view.event(EVENT))[0] == when
    assert query(view.own(EVENT)) == query(view.own(EVENT, api=True)) == [when]
    assert urlsplit(view.own(EVENT, api=True)).path == f"/v1/orgs/acme/events/{EVENT.event_id}"


def test_a_copied_link_says_days_and_zone(view):
    assert [
        pair for pair in query(view.permanent()) if pair[0] in ("last", "from", "to", "tz")
    ] == [
        ("from", "2026-10-26"),
        ("to", "2026-11-24"),
        ("tz", "Europe/Paris"),
    ]
    again = read_view("", "acme", query(view.permanent()), NOW)
    assert again.search.since == view.search.since


def test_other_days_keep_the_filters(view):
    moved = query(view.dated(("from", "2026-11-01"), ("to", "2026-11-02")))
    assert ("last", "30d") not in moved
    assert {("user", "bob@x.org"), ("limit", "200"), ("from", "2026-11-01")} <= set(moved)


def test_an_export_holds_what_is_filtered(view):
    found = query(view.export("csv"))
    assert ("since", "2026-10-25T23:00:00.000Z") in found
    assert {("event", "user.login"), ("user", "bob@x.org")} <= set(found)
    assert not {"limit", "tz", "last"} & {name for name, _ in found}


def test_clearing_keeps_the_days(view):
    assert query(view.unfiltered()) == [("last", "30d"), ("tz", "Europe/Paris"), ("limit", "200")]


def test_an_organization_is_quoted_once():
    view = read_view("", "a:b@c", [], NOW)
    assert view.path == "/orgs/a%3Ab%40c/audit-logs"
    assert view.api == "/v1/orgs/a%3Ab%40c/events"


@pytest.mark.parametrize(
    ("name", "given"),
    [("colour", [("colour", "red")]), ("tz", [("tz", "UTC"), ("tz", "UTC")]), ("level", [("level", "x")])],
)  # fmt: skip
def test_what_is_unknown_or_twice_is_refused(name, given):
    with pytest.raises(Problem) as error:
        read_view("", "acme", given, NOW)
    assert error.value.detail.startswith(name)


def test_an_address_that_every_link_would_repeat_is_bounded():
    read_view("", "acme", [("session_id", "x" * 4096)], NOW)
    with pytest.raises(Problem) as raised:
        read_view("", "acme", [("exclude_event", "😀" * 1400)], NOW)
    assert raised.value.kind == "bad-request"


def test_a_long_query_is_not_repeated_in_each_row():
    event = event_from_row(row(NOW, UUID(int=1)))
    short = read_view("", "acme", [("session_id", "x" * 1000)], NOW)
    assert "session_id" in short.event(event)
    long = read_view("", "acme", [("session_id", "x" * 4096)], NOW)
    assert long.event(event) == long.own(event)
    # A value that the page cannot filter by has no link; the API can.
    assert long.everything("session_id", "x" * 4096)
    assert long.everything("session_id", "😀" * 4096) is None


@pytest.mark.parametrize(
    ("name", "typed"),
    [("country", "fr"), ("user", " bob "), ("ip", "1.2.3.4/24"), ("event", "a.b")],
)
def test_a_chip_removes_its_filter_however_it_was_typed(name, typed):
    view = read_view("", "acme", [(name, typed), ("q", "kept")], NOW)
    chip = next(chip for chip in view.chips() if chip.title != "Text")
    assert query(chip.without) == [("q", "kept")]
