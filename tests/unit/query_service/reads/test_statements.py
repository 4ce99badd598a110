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
    made = every_read(parse_search([(filter_.name, value)], NOW))
    for name in ("page", "candidates", "received", "events_of", "export", "summary"):
        assert f"{{{filter_.name}:" in made[name].sql
        assert filter_.name in made[name].parameters
    for name in ("page", "events_of", "export", "summary"):
        assert filter_.sql in made[name].sql


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


def first_conditions(*values):
    """The conditions that a search brings to its first steps, and to no other read."""
    search = parse_search(values, NOW)
    made = {
        name: s.sql.replace(statements.TOKENS, "tokens") for name, s in every_read(search).items()
    }
    candidates, received = made.pop("candidates"), made.pop("received")
    assert not any("tokens" in sql for sql in made.values())
    # Between the scope and window, and the place where the page begins.
    found = candidates.split(" AND ")[4:-2]
    assert " AND ".join(found) in received
    return found


def together(*values):
    """The combinations of tokens among them."""
    return [
        combination
        for condition in first_conditions(*values)
        if "tokens" in condition
        for combination in condition.removeprefix("(").removesuffix(")").split(" OR ")
    ]


def all_of(*tokens):
    return f"hasAll(tokens, [{', '.join(tokens)}])"


BOB, ANN = "concat('actor=', {actor:String})", "concat('actor=', {actor_1:String})"


def test_values_of_several_filters_are_looked_for_together():
    found = together(("actor", "bob"), ("event", "user.login"), ("target", "ann"))
    target = "concat('target=', {target:String})"
    assert found == [all_of("concat('event=', {event:Array(String)}[1])", BOB, target)]


def test_what_tokens_say_is_not_asked_again_and_everything_else_is():
    """The second step judges by the columns themselves."""
    tokens, *others = first_conditions(
        ("actor", "bob"), ("event", "user.login"), ("session_id", "s-1"), ("exclude_event", "a.b")
    )
    assert tokens.startswith("(hasAll(tokens")
    assert others == [
        "(NOT (event IN {exclude_event:Array(String)}))",
        "session_id = {session_id:String}",
    ]


def test_a_person_in_any_role_is_looked_for_in_one_index():
    roles = [
        f"concat('{role}=', {{{name}:String}})"
        for role in ("actor", "impersonator", "target")
        for name in ("user", "user_1")
    ]
    assert first_conditions(("user", "bob"), ("user", "ann")) == [
        f"hasAny(tokens, [{', '.join(roles)}])"
    ]


def test_every_combination_is_looked_for():
    roles = [f"concat('{role}=', {{user:String}})" for role in ("actor", "impersonator", "target")]
    level = "concat('level=', {level:String})"
    found = together(("user", "bob"), ("level", "user"))
    assert found == [all_of(level, role) for role in roles]
    countries = ["concat('country=', {country:String})", "concat('country=', {country_1:String})"]
    found = together(("actor", "bob"), ("actor", "ann"), ("country", "FR"), ("country", "DE"))
    assert found == [all_of(who, country) for who in (BOB, ANN) for country in countries]


@pytest.mark.parametrize("value", ["Bob@x.org", "bÉn", "İ"])
def test_a_person_is_looked_for_as_given_and_in_lower_case(value):
    outcome, lower = "concat('outcome=', {outcome:String})", "lowerUTF8({actor:String})"
    found = together(("actor", value), ("outcome", "failure"))
    assert found == [all_of(outcome, BOB), all_of(outcome, f"concat('actor=', {lower})")]


def test_a_filter_with_too_many_values_is_left_out():
    people = [("actor", f"person{n}") for n in range(7)]
    assert together(*people, ("event", "user.login"), ("event", "user.logout")) == []
    (found,) = {c.count("concat") for c in together(*people, ("level", "user"), ("country", "FR"))}
    assert found == 3
    assert len(together(*people[:6], ("event", "user.login"), ("event", "user.logout"))) == 12


@pytest.mark.parametrize(
    "values",
    [
        [("actor", "bob")],
        [("actor", "bob"), ("q", "ann")],
        [("actor", "bob"), ("request_id", "r-1")],
        [("actor", "bob"), ("event", "user.*")],
        [("actor", "bob"), ("event", "user.login"), ("event", "org.*")],
        [("actor", "bob"), ("exclude_event", "user.login")],
    ],
    ids=str,
)
def test_one_value_alone_has_an_index_of_its_own(values):
    assert together(*values) == []


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
    assert together(("ip", value), ("event", "user.login")) == []


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
    assert together(*values, ("event", "user.login")) == []


def rest(*values):
    search = parse_search(values, NOW)
    sql = statements.candidates("acme", search, WINDOW, None, 10, old=True).sql
    return sql.replace(statements.TOKENS, "tokens")


def test_in_the_long_window_a_filter_alone_asks_the_tokens_too():
    assert first_conditions(("actor", "bob")) != [f"hasAny(tokens, [{BOB}])"]
    assert f" AND hasAny(tokens, [{BOB}]) ORDER BY occurred_at DESC," in rest(("actor", "bob"))
    # What has no token is asked as ever.
    assert "tokens" not in rest(("session_id", "s-1"))
    ranged = rest(("actor", "bob"), ("ip", "203.0.113.0/24"))
    assert f"hasAny(tokens, [{BOB}])" in ranged
    assert "isIPAddressInRange" in ranged


def test_in_the_long_window_several_filters_are_not_read_in_order():
    both = ("actor", "bob"), ("event", "user.login")
    assert "ORDER BY identity(occurred_at) DESC, event_id DESC LIMIT 10" in rest(*both)
    assert "identity" not in every_read(parse_search(both, NOW))["candidates"].sql


def test_very_many_values_are_no_combinations_and_still_asked_by_tokens():
    """A person in three roles, five times, with an event: fifteen tokens."""
    people = [("user", f"u-{n}") for n in range(5)]
    for given in (people, [*people, ("event", "user.login")]):
        (tokens,) = [c for c in first_conditions(*given) if "tokens" in c]
        assert tokens.startswith("hasAny(tokens, [concat('actor=', {user:String}), ")
        assert tokens.count("concat(") == 15
    # A filter with one column has its own index, which the newest parts have, too.
    assert not any(
        "tokens" in c for c in first_conditions(*[("actor", f"a-{n}") for n in range(20)])
    )
    assert "hasAny(tokens" in rest(*[("actor", f"a-{n}") for n in range(20)])
