"""Several filters together: an index over tokens narrows the search, and never what is found."""

from datetime import UTC, datetime, timedelta
from itertools import combinations, product

import pytest
from tests.support.events import emit_arguments
from tests.support.running import without_readings

from orgtrail import Actor, Context, Target
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.search import parse_search
from orgtrail_query_service.reads.statements import Window

ORG = "tokens"
_BASE = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
_PEOPLE = ("Ann@tokens.example", "bén@tokens.example")
_ADDRESSES = ("8.8.8.8", "193.0.6.139")
_EVENTS = ("user.login", "org.user.role.updated")
_OUTCOMES = ("success", "failure")


def _person(email):
    return Actor(id=f"id of {email}", email=email)


@pytest.fixture(scope="module")
def events(running):
    """Every combination of actor, impersonator, target, address, event and outcome, once.

    Half of them are in a merged part, which has the index, and half in new ones, which lack it.
    """
    every = list(enumerate(product(_PEOPLE, _PEOPLE, _PEOPLE, _ADDRESSES, _EVENTS, _OUTCOMES)))
    emit(running, every[::2])
    running.wait_for(ORG, len(every) // 2)
    running.client("audit_migrator").command("OPTIMIZE TABLE audit.events_store FINAL")
    emit(running, every[1::2])
    found = running.wait_for(ORG, len(every))
    assert len({e["context"]["country"] for e in found} - {""}) == len(_ADDRESSES)
    return found


def emit(running, numbered):
    with running.producer() as producer:
        for n, (actor, behind, target, ip, event, outcome) in numbered:
            producer.emit(
                event,
                **emit_arguments(event)
                | {
                    "org_id": ORG,
                    "occurred_at": _BASE + timedelta(seconds=n),
                    "actor": _person(actor),
                    "impersonator": _person(behind),
                    "targets": [Target(type="user", id=f"id of {target}", email=target)],
                    "context": Context(ip=ip),
                    "outcome": outcome,
                },
            )


_WHO = {
    "actor": lambda e: [e["actor"]["email"], e["actor"]["id"]],
    "impersonator": lambda e: [e["impersonator"]["email"], e["impersonator"]["id"]],
    "target": lambda e: [t[name] for t in e["targets"] for name in ("email", "id")],
    "ip": lambda e: [e["context"]["ip"]],
}
_WHO["user"] = lambda e: [v for name in ("actor", "impersonator", "target") for v in _WHO[name](e)]
_WHAT = {
    "event": lambda e: e["event"],
    "outcome": lambda e: e["outcome"],
    "country": lambda e: e["context"]["country"],
}


_WHAT["level"] = lambda e: e["level"]


def test_every_tag_is_tried_below():
    assert {f.name for f in FILTERS if f.tags} == {*_WHO, *_WHAT}


@pytest.mark.parametrize("what", _WHAT)
@pytest.mark.parametrize("who", _WHO)
def test_two_filters_find_what_holds_both(running, events, who, what):
    whos = {value for event in events for value in _WHO[who](event)}
    whats = {_WHAT[what](event) for event in events}
    for person, trait in product(sorted(whos), sorted(whats)):
        wanted = [
            e["event_id"] for e in events if person in _WHO[who](e) and _WHAT[what](e) == trait
        ]
        # Emails are found in any case.
        for spelled in {person, person.swapcase() if person in _PEOPLE else person}:
            found = running.events(ORG, **{who: spelled, what: trait, "limit": 1000})
            assert [e["event_id"] for e in found] == wanted


def test_three_together_and_several_events(running, events):
    given = {"actor": _PEOPLE[0], "target": _PEOPLE[1], "outcome": "failure"}
    found = running.events(ORG, **given, event=list(_EVENTS), limit=1000)
    assert [e["event_id"] for e in found] == [
        e["event_id"]
        for e in events
        if e["actor"]["email"] == _PEOPLE[0]
        and e["targets"][0]["email"] == _PEOPLE[1]
        and e["outcome"] == "failure"
    ]


def test_a_person_and_the_beginning_of_an_event(running, events):
    found = running.events(ORG, actor=_PEOPLE[0], event=["user.*", _EVENTS[1]], limit=1000)
    assert len(found) == len(events) / 2


@pytest.mark.parametrize(("one", "other"), list(combinations([*_WHO, *_WHAT], 2)))
def test_clickhouse_asks_the_index(running, events, one, other):
    given = {name: (_WHO[name](events[0])[0] if name in _WHO else _WHAT[name](events[0]))
             for name in (one, other)}  # fmt: skip
    search = parse_search(given.items(), datetime.now(UTC))
    step = statements.candidates(ORG, search, Window(search.since, search.until), None, 50)
    asked = f"EXPLAIN indexes = 1 {step.sql}"
    plan = running.client("audit_migrator").query(asked, step.parameters).result_rows
    assert any("tokens_idx" in line for (line,) in plan)


@pytest.fixture(scope="module")
def old_events(running):
    """Older than a week, so that pages find them in their long window."""
    when = datetime.now(UTC) - timedelta(days=20)
    people = ("old-1@tokens.example", "old-2@tokens.example")
    made = [(person, event, outcome) for person in people for event in _EVENTS
            for outcome in ("success", "failure") for _ in range(2)]  # fmt: skip
    with running.producer() as producer:
        for number, (person, event, outcome) in enumerate(made):
            producer.emit(
                event,
                **emit_arguments(event)
                | {
                    "org_id": "tokens-old",
                    "actor": _person(person),
                    "outcome": outcome,
                    "occurred_at": when + timedelta(seconds=number),
                },
            )
    running.wait_for("tokens-old", len(made))
    return made


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_of_old_events_are_whole_and_in_order(running, old_events, order):
    for given, wanted in (
        ({"actor": "OLD-1@tokens.example"}, [e for e in old_events if e[0].startswith("old-1")]),
        ({"outcome": "failure"}, [e for e in old_events if e[2] == "failure"]),
        (
            {"actor": "old-2@tokens.example", "outcome": "failure"},
            [e for e in old_events if e[0].startswith("old-2") and e[2] == "failure"],
        ),
        ({"actor": "old-1@tokens.example", "country": "FR"}, []),
    ):
        found, cursor = [], {}
        while cursor is not None:
            page = running.get(
                "/v1/orgs/tokens-old/events",
                org="tokens-old",
                order=order,
                limit=3,
                **given,
                **cursor,
            ).json()
            found += [
                (e["actor"]["email"], e["event"], e["outcome"])
                for e in without_readings(page["events"])
            ]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        assert found == (wanted if order == "oldest" else wanted[::-1])
