import inspect
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.export_formats import DEFAULT, FORMATS
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.search import Place, parse_search
from orgtrail_query_service.reads.statements import Statement, Window

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(days=1), NOW)
PLACE = Place(NOW, UUID(int=7))
HOSTILE = "x') OR 1=1 --"


def every_read(search, org="acme"):
    """Every statement that reads an organization's data, by the name of its maker."""
    return {
        "page": statements.page(org, search, WINDOW, PLACE, 10),
        "candidates": statements.candidates(org, search, WINDOW, PLACE, 10),
        "received": statements.received(org, search, WINDOW, (NOW, 0, 7), 10),
        "events_of": statements.events_of(org, search, [PLACE]),
        "keys_of_event": statements.keys_of_event(org, PLACE.event_id, WINDOW),
        "export": statements.export(org, search, DEFAULT),
        "summary": statements.summary(org, search, [search.since], 100),
        "people": statements.people(org, HOSTILE, 20),
        "set_aside_reasons": statements.set_aside_reasons(org, NOW),
        "set_aside_records": statements.set_aside_records(org, NOW, 100),
        "set_aside": statements.set_aside(org, NOW),
    }


def test_no_read_is_missing_from_the_list_above():
    makers = {
        name
        for name, made in inspect.getmembers(statements, inspect.isfunction)
        if not name.startswith("_") and made.__module__ == statements.__name__
    }
    assert makers - {"settled_through"} == set(every_read(parse_search([], NOW)))


@pytest.mark.parametrize("name", every_read(parse_search([], NOW)))
def test_every_read_is_of_one_organization(name):
    statement = every_read(parse_search([], NOW))[name]
    assert "WHERE org_id = {org:String}" in statement.sql
    assert statement.parameters["org"] == "acme"


@pytest.mark.parametrize(
    "name", ["page", "candidates", "received", "events_of", "export", "summary"]
)
def test_no_value_is_ever_part_of_the_text(name):
    # An address has a form, so it cannot be hostile.
    texts = [f for f in FILTERS if not f.choices and f.name != "ip"]
    values = [(f.name, HOSTILE) for f in texts] + [("event", HOSTILE + ".*")]
    statement = every_read(parse_search(values, NOW), org=HOSTILE)[name]
    assert "1=1" not in statement.sql
    given = len(texts) + len(["org", "event with .*"])
    assert repr(statement.parameters).count("1=1") == given


@pytest.mark.parametrize("file", FORMATS.values(), ids=lambda file: file.suffix)
def test_a_file_is_made_by_clickhouse_in_its_format(file):
    statement = statements.export("acme", parse_search([], NOW), file)
    assert statement.sql.endswith(f" FORMAT {file.clickhouse}")
    assert "WHERE org_id = {org:String}" in statement.sql


def test_excluded_events_are_what_none_of_holds():
    given = [("exclude_event", "user.login"), ("exclude_event", "org.*")]
    statement = every_read(parse_search(given, NOW))["page"]
    assert "(NOT (event IN {exclude_event:Array(String)} OR arrayExists(" in statement.sql
    assert statement.parameters["exclude_event"] == ["user.login"]
    assert statement.parameters["exclude_event_prefixes"] == ["org."]


@pytest.mark.parametrize("filter_", FILTERS, ids=lambda f: f.name)
def test_each_filter_brings_its_condition_and_its_value(filter_):
    value = filter_.choices[0] if filter_.choices else filter_.example
    for name in ("page", "candidates", "events_of", "export", "summary"):
        statement = every_read(parse_search([(filter_.name, value)], NOW))[name]
        assert filter_.sql in statement.sql
        assert filter_.name in statement.parameters


def test_a_place_is_passed_without_a_tuple_comparison():
    newest = every_read(parse_search([], NOW))["page"].sql
    assert "occurred_at <= {after:" in newest
    assert "event_id < {after_id:UUID}" in newest
    oldest = every_read(parse_search([("order", "oldest")], NOW))["page"].sql
    assert "occurred_at >= {after:" in oldest
    assert "ORDER BY occurred_at ASC, event_id ASC" in oldest


def test_bounds_between_two_milliseconds_move_up():
    window = Window(NOW, NOW + timedelta(microseconds=1500))
    parameters = statements.keys_of_event("acme", PLACE.event_id, window).parameters
    assert parameters["since"] == "2026-11-23 12:00:00.000"
    assert parameters["until"] == "2026-11-23 12:00:00.002"


def test_what_was_received_later_or_a_little_before_may_be_of_the_range():
    statement = statements.set_aside("acme", NOW)
    assert statement.parameters["since"] == "2026-11-23 11:55:00.000"
    assert "until" not in statement.sql


def test_progress_is_of_no_organization():
    assert isinstance(statements.settled_through(), Statement)
    assert statements.settled_through().parameters == {}


def pairs(*values):
    """The conditions on pairs that a search brings to its first step, and to no other."""
    search = parse_search(values, NOW)
    made = {
        name: s.sql.replace(statements.PAIRS, "pairs") for name, s in every_read(search).items()
    }
    candidates = made.pop("candidates").removesuffix(
        " ORDER BY occurred_at DESC, event_id DESC LIMIT 10"
    )
    received = made.pop("received")
    assert all(clause in received for clause in candidates.split(" AND ") if "pairs" in clause)
    assert not any("pairs" in sql for sql in made.values())
    return [clause for clause in candidates.split(" AND ") if "pairs" in clause]


def test_a_person_and_an_event_are_looked_for_as_pairs():
    actor, target = (
        "[{actor:String}, lowerUTF8({actor:String})]",
        "[{target:String}, lowerUTF8({target:String})]",
    )
    event = "{event:Array(String)}"
    assert pairs(("actor", "bob"), ("event", "user.login"), ("target", "ann")) == [
        f"indexHint(hasAny(pairs, arrayFlatten(arrayMap(who -> arrayMap(w -> cityHash64(who, w), {what}), {who}))))"
        for who, what in ((actor, event), (actor, target), (target, event))
    ]


@pytest.mark.parametrize(
    "values",
    [
        [("actor", "bob")],
        [("user", "bob"), ("target", "ann")],
        [("event", "user.login"), ("country", "FR")],
        [("actor", "bob"), ("event", "user.*")],
        [("actor", "bob"), ("event", "user.login"), ("event", "org.*")],
        [("actor", "bob"), ("exclude_event", "user.login")],
        [("actor", "bob"), ("level", "user")],
    ],
    ids=str,
)
def test_what_is_no_pair_is_not_looked_for_as_one(values):
    assert pairs(*values) == []


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        (" 8.8.8.8\u00a0", "8.8.8.8"),
        ("[::1]:443", "::1"),
    ],
)
def test_an_address_is_looked_for_in_the_form_that_is_stored(value, stored):
    page = every_read(parse_search([("ip", value)], NOW))["page"]
    assert page.parameters["ip"] == stored
    assert "ip = {ip:String}" in page.sql


@pytest.mark.parametrize(
    ("value", "stored"), [("203.0.113.9/24", "203.0.113.0/24"), ("2001:DB8::/32", "2001:db8::/32")]
)
def test_a_range_of_addresses_is_a_condition_of_its_own(value, stored):
    page = every_read(parse_search([("ip", value)], NOW))["page"]
    assert page.parameters["ip"] == stored
    assert "isIPAddressInRange(" in page.sql
    assert pairs(("ip", value), ("event", "user.login")) == []


@pytest.mark.parametrize("value", ["acme", "1.2.3", "1.2.3.4/99", "1.2.3.4'--", "/"])
def test_what_is_no_address_is_refused(value):
    with pytest.raises(Problem, match="IP address"):
        parse_search([("ip", value)], NOW)


def test_a_country_is_found_in_any_case_and_a_blank_value_is_refused():
    search = parse_search([("country", " fr")], NOW)
    assert [values for _, values in search.values] == [("FR",)]
    with pytest.raises(Problem, match="blank"):
        parse_search([("user", " \u200b")], NOW)


def test_of_several_people_one_must_match():
    values = [("user", "bob"), ("user", "ann"), ("user", "bob")]
    page = every_read(parse_search(values, NOW))["page"]
    assert {k: v for k, v in page.parameters.items() if k.startswith("user")} == {
        "user": "bob",
        "user_1": "ann",
    }
    assert "((actor_id = {user:String} OR" in page.sql
    assert ") OR (actor_id = {user_1:String} OR" in page.sql


def test_an_address_and_a_range_may_be_given_together():
    values = [("ip", "203.0.113.7"), ("ip", "198.51.100.0/24")]
    page = every_read(parse_search(values, NOW))["page"]
    assert "(ip = {ip:String} OR (ip != '' AND isIPAddressInRange(" in page.sql
    assert "{ip_1:String}" in page.sql
    assert pairs(*values, ("event", "user.login")) == []


def test_several_people_and_countries_are_looked_for_as_pairs():
    (clause,) = pairs(("actor", "bob"), ("actor", "ann"), ("country", "FR"), ("country", "DE"))
    assert "[{country:String}, {country_1:String}]" in clause
    for spelled in ("{actor:String}", "{actor_1:String}", "lowerUTF8({actor_1:String})"):
        assert spelled in clause
