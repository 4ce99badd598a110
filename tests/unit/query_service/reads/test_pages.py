import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

from orgtrail_query_service.reads.pages import windows
from orgtrail_query_service.reads.search import Place, Search

SINCE = datetime(2026, 8, 25, tzinfo=UTC)
UNTIL = datetime(2026, 11, 23, tzinfo=UTC)


def test_windows_cover_the_range_once_from_the_newest_on():
    found = list(windows(Search(SINCE, UNTIL), None))
    assert found[0].until == UNTIL
    assert found[-1].since == SINCE
    assert all(a.since == b.until for a, b in itertools.pairwise(found))
    assert found[0].until - found[0].since == timedelta(days=1)


def test_windows_of_the_oldest_first():
    found = list(windows(Search(SINCE, UNTIL, order="oldest"), None))
    assert found[0].since == SINCE
    assert found[-1].until == UNTIL
    assert all(a.until == b.since for a, b in itertools.pairwise(found))


def test_a_later_page_begins_at_its_place():
    place = Place(UNTIL - timedelta(days=10), UUID(int=1))
    newest = next(windows(Search(SINCE, UNTIL), place))
    assert newest.until == place.occurred_at + timedelta(milliseconds=1)
    oldest = next(windows(Search(SINCE, UNTIL, order="oldest"), place))
    assert oldest.since == place.occurred_at


def test_a_short_range_is_one_window():
    short = Search(UNTIL - timedelta(hours=2), UNTIL)
    assert len(list(windows(short, None))) == 1
