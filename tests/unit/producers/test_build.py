import uuid
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from tests.support.built import NOW, build

from orgtrail import Actor, Change, Context, InvalidEventError, Target
from orgtrail_schemas.catalogue import REDACTED


class NoOffset(tzinfo):
    def utcoffset(self, _moment):
        return None


def test_occurred_at_is_the_time_of_the_event_id():
    assert build()[0]["occurred_at"] == NOW


def test_a_retry_builds_the_same_record():
    assert build() == build()


def test_the_actor_is_the_target_of_an_event_about_the_actor():
    assert build("user.login")[0]["targets"] == [
        {"type": "user", "id": "u-1", "email": "alice@acme.example", "name": ""}
    ]
    assert build("org.details.updated")[0]["targets"] == []


def test_one_record_for_each_organization():
    records = build(org_id=["acme", "globex", "acme"])
    assert [r["org_id"] for r in records] == ["acme", "globex"]
    assert len({r["event_id"] for r in records}) == 1


def test_secrets_are_redacted_and_absence_is_kept():
    changes = [
        Change(field="password", old=None, new="hunter2"),
        Change(field="role", old="a", new="b"),
    ]
    record = build("org.user.role.updated", changes=changes, metadata={"token": "hunter2"})[0]
    assert record["changes"] == [
        {"field": "password", "old": None, "new": REDACTED},
        {"field": "role", "old": "a", "new": "b"},
    ]
    assert record["metadata"] == {"token": REDACTED}


def test_everything_undeclared_in_an_unlisted_event_is_redacted():
    record = build("shop.pin.set", changes=[Change(field="x", new="1234")], metadata={"y": "z"})[0]
    assert record["changes"][0]["new"] == REDACTED
    assert record["metadata"] == {"y": REDACTED}


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("event", {"event": "User Login"}),
        ("event", {"event": ""}),
        ("org_id", {"org_id": ""}),
        ("org_id", {"org_id": []}),
        ("org_id", {"org_id": "a/b"}),
        ("org_id", {"org_id": "x" * 129}),
        ("actor.type", {"actor": Actor(type="robot", id="1")}),
        ("actor", {"actor": Actor()}),
        ("actor", {"actor": {"id": "1"}}),
        ("impersonator.type", {"impersonator": Actor(type="nobody", id="1")}),
        ("targets[0].type", {"targets": [Target(type="")]}),
        ("changes[0].field", {"changes": [Change(field="")]}),
        ("actor", {"actor": None}),
        ("actor.name", {"actor": Actor(id="1", name=object())}),
        ("context", {"context": {"ip": "10.0.0.1"}}),
        ("targets", {"targets": 5}),
        ("targets[0]", {"targets": [{"type": "user"}]}),
        ("targets[1]", {"targets": [Target(type="user"), None]}),
        ("targets", {"targets": [Target(type="user")] * 1001}),
        ("changes", {"changes": True}),
        ("org_id", {"org_id": None}),
        ("org_id", {"org_id": [["acme"]]}),
        ("org_id", {"org_id": [None]}),
        ("org_id", {"org_id": [str(n) for n in range(1001)]}),
        ("metadata", {"metadata": ["a"]}),
        ("metadata", {"metadata": {"a"}}),
        ("metadata", {"metadata": "text"}),
        ("metadata", {"metadata": 5}),
        ("metadata", {"metadata": {5: "x"}}),
        ("event", {"event": None}),
        ("event_id", {"event_id": 5}),
        ("event_id", {"event_id": "ffffffff-ffff-7fff-bfff-ffffffffffff"}),
        ("occurred_at", {"occurred_at": "yesterday"}),
        ("occurred_at", {"occurred_at": NOW.replace(tzinfo=NoOffset())}),
        ("outcome", {"outcome": ["success"]}),
        ("outcome", {"outcome": "maybe"}),
        ("metadata", {"metadata": {str(n): "" for n in range(51)}}),
        ("metadata", {"metadata": {"k" * 65: ""}}),
        ("event_id", {"event_id": "42"}),
        ("occurred_at", {"event_id": uuid.uuid4()}),
        ("occurred_at", {"occurred_at": NOW.replace(tzinfo=None)}),
        ("occurred_at", {"occurred_at": NOW + timedelta(minutes=6)}),
        ("occurred_at", {"occurred_at": NOW - timedelta(days=91)}),
    ],
)
def test_what_cannot_be_sent_is_refused_by_the_name_of_its_field(field, changed):
    event = changed.pop("event", "user.login")
    with pytest.raises(InvalidEventError) as refused:
        build(event, **changed)
    assert refused.value.field == field


def test_an_id_is_made_when_none_is_given():
    assert uuid.UUID(build(event_id=None, now=datetime.now(UTC))[0]["event_id"]).version == 7
    past = NOW - timedelta(days=3)
    record = build(event_id=None, occurred_at=past)[0]
    assert uuid.UUID(record["event_id"]).version == 7
    assert record["occurred_at"] == past


def test_a_mark_is_shown_in_an_unlisted_event_too():
    record = build("shop.sold", context=Context(ip="nowhere"))[0]
    assert record["metadata"]["orgtrail.ip"] == "nowhere"


def test_an_actor_that_a_client_left_empty_is_recorded():
    for left in ({"email": ""}, {"email": None}, {"id": ""}, {"id": None, "email": None}):
        record = build(actor=Actor(**left))[0]
        assert record["actor"]["id"] == "unknown"
        assert record["metadata"]["orgtrail.repaired"] == "actor: neither id nor email"


def test_one_target_stands_for_a_list_and_none_for_none():
    bob = Target(type="user", id="u-2")
    for given in (bob, [bob], (bob,), iter([bob])):
        assert [t["id"] for t in build(targets=given)[0]["targets"]] == ["u-2"]
    assert build("org.details.updated", targets=None, changes=None)[0]["targets"] == []


def test_an_organization_may_be_a_number_or_a_uuid():
    assert build(org_id=5)[0]["org_id"] == "5"
    assert build(org_id=uuid.UUID(int=5))[0]["org_id"] == str(uuid.UUID(int=5))
