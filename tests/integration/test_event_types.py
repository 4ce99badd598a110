"""Each of the 36 event types, from the SDK to every reader."""

import pytest
from tests.support.events import emit_arguments

from orgtrail_schemas.catalogue import REDACTED, catalogue, examples

SERVICES = [key for key, entry in catalogue().events.items() if not entry.own]


@pytest.fixture(scope="module")
def sent(running):
    with running.producer() as producer:
        ids = {
            key: producer.emit(key, **emit_arguments(key) | {"org_id": "every-type"})
            for key in SERVICES
        }
    running.wait_for("every-type", len(ids))
    return ids


@pytest.mark.parametrize("key", SERVICES)
def test_a_type_arrives_whole(running, sent, key):
    example, entry = examples()[key], catalogue().events[key]
    answer = running.get(f"/v1/orgs/every-type/events/{sent[key]}", org="every-type")
    event = answer.json()
    assert (event["event"], event["event_name"], event["level"]) == (key, entry.name, entry.level)
    assert event["listed"] is True
    assert event["actor"] == {"type": "user", **example["actor"]}
    assert len(event["targets"]) == 1
    secret = {f for f, s in {**entry.changes, **entry.metadata}.items() if s == "secret"}
    for change, given in zip(event["changes"], example.get("changes", []), strict=True):
        assert change["new"] == (REDACTED if given["field"] in secret else given["new"])
    for name, value in example.get("metadata", {}).items():
        assert event["metadata"][name] == (REDACTED if name in secret else value)
    assert event["context"]["ip"] == example["context"]["ip"]
    assert event["context"]["browser"] == "Chrome 142"
    assert event["source"]["topic"] == "audit.events.v1"


def test_a_retry_of_the_producer_is_one_event(running):
    with running.producer() as producer:
        first = producer.emit("user.login", **emit_arguments("user.login") | {"org_id": "retry"})
        for _ in range(3):
            arguments = emit_arguments("user.login") | {"org_id": "retry", "event_id": first}
            assert producer.emit("user.login", **arguments) == first
        last = producer.emit("user.logout", **emit_arguments("user.logout") | {"org_id": "retry"})
    events = running.wait_for("retry", 2)
    assert [e["event_id"] for e in events] == [last, first]


def test_one_event_of_a_person_in_two_organizations(running):
    with running.producer() as producer:
        both = emit_arguments("user.login") | {"org_id": ["two-a", "two-b"]}
        event_id = producer.emit("user.login", **both)
    for org in ("two-a", "two-b"):
        assert running.wait_for(org, 1)[0]["event_id"] == event_id
