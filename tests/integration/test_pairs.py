"""Who and what together: an index of pairs narrows the search, and never what is found."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from tests.support.events import emit_arguments

from orgtrail import Actor, Context, Target
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.search import parse_search
from orgtrail_query_service.reads.statements import Window

ORG = "pairs"
_BASE = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
_PEOPLE = ("Ann@pairs.example", "bén@pairs.example")
_ADDRESSES = ("8.8.8.8", "193.0.6.139")
_EVENTS = ("user.login", "org.user.role.updated")
_OUTCOMES = ("success", "failure")


def _person(email):
    return Actor(id=f"id of {email}", email=email)


@pytest.fixture(scope="module")
def events(running):
    """Every combination of actor, impersonator, target, address, event and outcome, once."""
    combinations = list(product(_PEOPLE, _PEOPLE, _PEOPLE, _ADDRESSES, _EVENTS, _OUTCOMES))
    with running.producer() as producer:
        for n, (actor, behind, target, ip, event, outcome) in enumerate(combinations):
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
    found = running.wait_for(ORG, len(combinations))
    assert len({e["context"]["country"] for e in found} - {""}) == len(_ADDRESSES)
    return found


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


def test_every_half_of_a_pair_is_tried_below():
    known = {(f.name, other) for f in FILTERS for other in f.pairs_with}
    assert known == set(product(_WHO, _WHAT)) | {("actor", "target")}


@pytest.mark.parametrize("what", _WHAT)
@pytest.mark.parametrize("who", _WHO)
def test_both_halves_find_what_holds_both(running, events, who, what):
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


def test_a_person_and_the_beginning_of_an_event_have_no_pair(running, events):
    found = running.events(ORG, actor=_PEOPLE[0], event=["user.*", _EVENTS[1]], limit=1000)
    assert len(found) == len(events) / 2


@pytest.mark.parametrize(("who", "what"), [*product(_WHO, _WHAT), ("actor", "target")])
def test_clickhouse_asks_the_index_of_pairs(running, events, who, what):
    value = _WHO[what](events[0])[0] if what in _WHO else _WHAT[what](events[0])
    given = {who: _WHO[who](events[0])[0], what: value}
    search = parse_search(given.items(), datetime.now(UTC))
    step = statements.candidates(ORG, search, Window(search.since, search.until), None, 50)
    asked = f"EXPLAIN indexes = 1 {step.sql}"
    plan = running.client("audit_migrator").query(asked, step.parameters).result_rows
    assert any("pairs_idx" in line for (line,) in plan)
