import tracemalloc

import pyarrow as pa
from tests.support.events import datum
from tests.unit.consumers.steps.test_enrich import NOW_MS, run

from orgtrail_consumers.steps.people import DAY_MS, PersonCache, people


def found(*data):
    return people(run(*data).rows)


def changed(persons, **fields):
    rows = [row | fields for row in persons.to_pylist()]
    return pa.Table.from_pylist(rows, schema=persons.schema)


def test_actors_impersonators_and_targets_are_people():
    support = {"type": "support", "id": "s-1", "email": "sam@x", "name": "Sam"}
    targets = [
        {"type": "invitation", "id": "i-1", "email": "carol@x", "name": ""},
        {"type": "user", "id": "", "email": "", "name": "nobody"},
        {"type": "organization", "id": "acme", "email": "", "name": "Acme"},
    ]
    rows = found(datum(impersonator=support, targets=targets), datum()).to_pylist()
    assert sorted((row["type"], row["email"]) for row in rows) == [
        ("invitation", "carol@x"),
        ("support", "sam@x"),
        ("user", "alice@acme.example"),
    ]
    assert {row["last_seen"].timestamp() * 1000 for row in rows} == {NOW_MS // DAY_MS * DAY_MS}


def test_who_acts_and_is_acted_upon_is_one_person():
    alice = {"type": "user", "id": "u-1", "email": "alice@x", "name": "Alice"}
    assert found(datum(actor=alice, targets=[alice])).num_rows == 1


def test_a_person_is_seen_in_an_event_that_names_them():
    alice, bob = (
        {"type": "user", "id": name, "email": f"{name}@x", "name": name} for name in ("al", "bob")
    )
    rows = run(datum(actor=alice), datum(actor=bob, targets=[alice]), datum(actor=alice)).rows
    events = {row["event_id"]: row for row in rows.to_pylist()}
    for person in people(rows).to_pylist():
        event = events[person["event_id"]]
        assert person["occurred_at"] == event["occurred_at"]
        assert person["email"] in {event["actor_email"], *event["targets.email"]}


def test_a_person_is_written_once_a_day():
    persons = found(datum())
    seen = PersonCache()
    assert seen.new(persons) == persons
    seen.remember(persons)
    assert seen.new(persons).num_rows == 0
    tomorrow = persons["last_seen"][0].as_py().timestamp() * 1000 + DAY_MS
    later = changed(persons, last_seen=tomorrow)
    assert seen.new(later) == later


def test_no_two_persons_are_taken_for_one():
    # Whatever joins the fields may be in a field as well.
    one = changed(found(datum()), id="a b", email="c")
    other = changed(one, id="a", email="b c")
    seen = PersonCache()
    seen.remember(one)
    assert seen.new(other) == other


def test_the_memory_is_bounded():
    persons = found(datum())
    seen = PersonCache(bound=1)
    seen.remember(persons)
    seen.remember(changed(persons, id="other"))
    assert seen.new(persons) == persons


def test_a_long_name_is_remembered_in_little_memory():
    long = changed(found(datum()), name="x" * 200_000)
    seen = PersonCache()
    tracemalloc.start()
    seen.remember(long)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen.new(long).num_rows == 0
    assert kept < 10_000
