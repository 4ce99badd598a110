from tests.support.events import datum
from tests.unit.consumers.test_enrich import NOW_MS, run

from orgtrail_consumers.people import DAY_MS, Seen, people, people_rows


def test_actors_impersonators_and_targets_are_people():
    support = {"type": "support", "id": "s-1", "email": "sam@x", "name": "Sam"}
    targets = [
        {"type": "invitation", "id": "i-1", "email": "carol@x", "name": ""},
        {"type": "organization", "id": "acme", "email": "", "name": "Acme"},
    ]
    found = people(run(datum(impersonator=support, targets=targets), datum()).rows)
    assert {(p.type, p.email) for p in found} == {
        ("user", "alice@acme.example"),
        ("support", "sam@x"),
        ("invitation", "carol@x"),
    }
    assert {p.last_seen for p in found} == {NOW_MS // DAY_MS * DAY_MS}


def test_a_person_is_written_once_a_day():
    found = people(run(datum()).rows)
    seen = Seen()
    assert seen.new(found) == found
    seen.remember(found)
    assert seen.new(found) == set()
    later = {p._replace(last_seen=p.last_seen + DAY_MS) for p in found}
    assert seen.new(later) == later


def test_the_memory_is_bounded():
    found = people(run(datum()).rows)
    seen = Seen(bound=1)
    seen.remember(found)
    seen.remember({p._replace(id="other") for p in found})
    assert seen.new(found) == found


def test_what_takes_much_memory_is_not_remembered():
    long = {p._replace(name="x" * 2_000) for p in people(run(datum()).rows)}
    seen = Seen()
    seen.remember(long)
    assert seen.new(long) == long


def test_rows_of_people():
    table = people_rows(people(run(datum()).rows))
    assert table["email"].to_pylist() == ["alice@acme.example"]
