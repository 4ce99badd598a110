from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from jinja2 import Environment
from tests.support.api_rows import row

from orgtrail_query_service.page.template_filters import add_filters, ago, exact, first_view
from orgtrail_query_service.reads.event import event_from_row

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PARIS, KATHMANDU = ZoneInfo("Europe/Paris"), ZoneInfo("Asia/Kathmandu")


@pytest.fixture
def render():
    environment = Environment(autoescape=True)
    add_filters(environment, "")
    return lambda text, **given: environment.from_string(text).render(**given)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-60, "0 s ago"),
        (0, "0 s ago"),
        (0.999, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86_399, "23 h ago"),
        (86_400, "1 d ago"),
        (90 * 86_400, "90 d ago"),
    ],
)
def test_how_long_ago_is_in_the_largest_whole_unit(seconds, expected):
    assert ago(NOW - timedelta(seconds=seconds), NOW) == expected


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        (NOW, ZoneInfo("UTC"), "2026-11-23 12:00:00.000 UTC"),
        (NOW + timedelta(microseconds=7_999), PARIS, "2026-11-23 13:00:00.007 CET"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), PARIS, "2026-10-25 02:30:00.000 CEST"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), PARIS, "2026-10-25 02:30:00.000 CET"),
    ],
)
def test_an_exact_time_tells_a_repeated_hour_apart(moment, zone, expected):
    assert exact(moment, zone) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("day", "Tuesday, 24 November 2026"),
        ("clock", "00:15:30"),
        ("minute", "2026-11-24 00:15"),
        ("local_date", "2026-11-24"),
    ],
)
def test_times_are_in_the_zone_of_the_page(render, name, expected):
    moment = datetime(2026, 11, 23, 18, 30, 30, tzinfo=UTC)
    assert render(f"{{{{ m|{name}(z) }}}}", m=moment, z=KATHMANDU) == expected


def test_a_time_for_scripts_is_in_utc(render):
    assert render("{{ m|iso }}", m=NOW) == "2026-11-23T12:00:00.000Z"


def test_a_path_keeps_an_organization_in_one_segment(render):
    assert render("{{ o|log_path }}", o="a/../b?c") == "/orgs/a%2F..%2Fb%3Fc/audit-logs"


def test_text_that_turns_or_hides_is_shown_and_escaped(render):
    assert render("{{ t|plain }}", t="a\u202eb\x1b<i>") == "a\\u202eb\\u001b&lt;i&gt;"


def test_files_are_named_by_their_digest(render):
    assert render("{{ asset('orgtrail.js') }}").startswith("/static/")


@pytest.mark.parametrize(
    ("text", "minute"),
    [
        ("2026-11-23T11:44:03.120Z", 44),
        ("2026-11-23T12:00:00.000Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_first_view_of_an_hour_lies_in_it(text, minute):
    at = datetime(2026, 11, 23, 11, tzinfo=UTC)
    event = event_from_row(row(at, UUID(int=1), metadata={"first_viewed_at": text}))
    first = first_view(event)
    assert (first and first.minute) == minute
