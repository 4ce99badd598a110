from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.cursor import Cursors
from orgtrail_query_service.reads.search import Place, parse_search

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CURSORS = Cursors("x" * 32)
PLACE = Place(datetime(2026, 11, 20, 1, 2, 3, 456000, UTC), UUID(int=99))


def search(now=NOW, **parameters):
    return parse_search(parameters.items(), now)


def cursor_for(**parameters):
    return CURSORS.make("acme", search(**parameters), PLACE)


def test_a_cursor_continues_its_search_in_the_range_of_its_first_page():
    later = NOW + timedelta(hours=1)
    again = search(later, user="a", cursor=cursor_for(user="a"))
    continued, place = CURSORS.read("acme", again)
    assert place == PLACE
    assert continued.until == search(user="a").until
    assert continued.since >= search(user="a").since


def test_without_a_cursor_a_search_begins_at_its_start():
    assert CURSORS.read("acme", search())[1] is None


@pytest.mark.parametrize(
    ("org", "parameters"),
    [
        ("globex", {}),
        ("acme", {"user": "a"}),
        ("acme", {"order": "oldest"}),
    ],
)
def test_a_cursor_of_another_search_is_refused(org, parameters):
    with pytest.raises(Problem, match="cursor"):
        CURSORS.read(org, search(cursor=cursor_for(), **parameters))


@pytest.mark.parametrize("change", [lambda c: c + "x", lambda c: "x" + c[1:], lambda c: "garbage"])
def test_a_changed_cursor_is_refused(change):
    with pytest.raises(Problem, match="not issued by this service"):
        CURSORS.read("acme", search(cursor=change(cursor_for())))


def test_a_cursor_of_another_secret_is_refused():
    forged = Cursors("y" * 32).make("acme", search(), PLACE)
    with pytest.raises(Problem):
        CURSORS.read("acme", search(cursor=forged))
