import uuid
from datetime import UTC, datetime, timedelta

import pytest

from orgtrail import Actor, Change, Context, InvalidEventError, Target
from orgtrail.event import build_event, new_event_id
from orgtrail_schemas.catalogue import REDACTED

NOW = datetime(2026, 11, 23, 12, 0, 0, 123000, UTC)
ALICE = Actor(id="u-1", email="alice@acme.example")


def build(event="user.login", **changed):
    given = {
        "org_id": "acme",
        "actor": ALICE,
        "event_id": uuid.UUID(int=(int(NOW.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62)),
        "now": NOW,
    }
    return build_event(event, **(given | changed))


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
        ("actor.name", {"actor": Actor(id="1", name="x" * 5000)}),
        ("actor.email", {"actor": Actor(id="1", email=5)}),
        ("impersonator.type", {"impersonator": Actor(type="nobody", id="1")}),
        ("targets[0].type", {"targets": [Target(type="")]}),
        ("changes[0].field", {"changes": [Change(field="")]}),
        ("context.ip", {"context": Context(ip="999.1.1.1")}),
        ("context.user_agent", {"context": Context(user_agent="\ud800")}),
        ("outcome", {"outcome": "maybe"}),
        ("metadata", {"metadata": {str(n): "" for n in range(51)}}),
        ("metadata", {"metadata": {"k" * 65: ""}}),
        ("metadata.k", {"metadata": {"k": "v" * 1025}}),
        ("metadata.k", {"metadata": {"k": 1}}),
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


def test_new_ids_are_of_version_7_and_of_now():
    made = new_event_id()
    assert made.version == 7
    assert abs((made.int >> 80) / 1000 - datetime.now(UTC).timestamp()) < 5
