"""Whether an event matches a test's expectation, and how a difference is told."""

import uuid
from enum import Enum

import pytest
from tests.support.built import NOW

from orgtrail import Actor, Change, Target
from orgtrail.build import make_event
from orgtrail.testing.matching import Expected, Wanted, describe

ID = "0190b3b4-0000-7000-8000-000000000001"


class Role(Enum):
    ADMIN = "admin"


@pytest.fixture
def event():
    return make_event(
        "org.user.role.updated",
        org_id="42",
        actor=Actor(id="u-1", email="alice@acme.example"),
        targets=[Target(type="user", id="u-2"), Target(type="team", id="t-1", email="t@x.example")],
        changes=[
            Change(field="role", old=None, new="admin"),
            Change(field="plan", old="", new="1"),
        ],
        metadata={"method": "sso"},
        event_id=ID,
        occurred_at=NOW,
        now_ms=int(NOW.timestamp() * 1000),
    )[0]


RIGHT = {
    "org_id": ["42", 42],
    "actor_id": ["u-1"],
    "actor_email": ["alice@acme.example"],
    "target_id": ["u-2", "t-1"],
    "target_email": ["t@x.example", ""],
    "target_type": ["user", "team"],
    "changes": [{}, {"role": (None, "admin")}, {"role": (None, Role.ADMIN)}, {"role": [None, "admin"]}],
    "metadata": [{}],
    "outcome": ["success"],
    "event_id": [ID, uuid.UUID(ID)],
}  # fmt: skip
WRONG = {
    "org_id": ["4", 43, None, object()],
    "actor_id": ["u-2", None],
    "actor_email": ["Alice@acme.example"],
    "target_id": ["u-1", "u-2 "],
    "target_email": ["x"],
    "target_type": ["order"],
    "changes": [{"role": ("", "admin")}, {"role": (None, "x")}, {"name": ("a", "b")}, {"role": ("admin",)}, {"plan": (None, "1")}],
    "metadata": [{"other": "sso"}],
    "outcome": ["failure"],
    "event_id": [ID.replace("1", "2"), "x"],
}  # fmt: skip


def pairs(table):
    return [(name, value) for name, values in table.items() for value in values]


def test_every_field_is_tried():
    assert set(RIGHT) == set(WRONG) == set(Expected.__annotations__)


@pytest.mark.parametrize(("name", "value"), pairs(RIGHT))
def test_a_value_that_would_be_recorded_like_this_matches(event, name, value):
    assert Wanted(event.event, {name: value}).misses(event) == []
    assert Wanted(None, {name: value}).misses(event) == []


@pytest.mark.parametrize(("name", "value"), pairs(WRONG))
def test_another_value_misses_in_one_sentence(event, name, value):
    (miss,) = Wanted(event.event, {name: value}).misses(event)
    assert "\n" not in miss


def test_metadata_is_compared_as_it_was_recorded(event):
    (key,) = event.metadata
    event.metadata[key] = "sso"
    assert Wanted(None, {"metadata": {key: "sso"}}).misses(event) == []
    assert "'sso'" in Wanted(None, {"metadata": {key: "saml"}}).misses(event)[0]


def test_another_event_misses_without_its_fields(event):
    (miss,) = Wanted("user.login", {"org_id": "wrong"}).misses(event)
    assert event.event in miss


def test_all_fields_must_match_and_each_difference_is_told(event):
    wanted = Wanted(None, {"org_id": "42", "actor_id": "x", "outcome": "y", "target_id": "z"})
    misses = wanted.misses(event)
    assert [miss.split()[0] for miss in misses] == ["actor_id", "outcome", "target_id"]
    assert "'u-2'" in misses[2]
    assert "'t-1'" in misses[2]


def test_a_field_that_does_not_exist_is_a_mistake_of_the_test():
    with pytest.raises(TypeError, match=r"actor_name.*actor_id"):
        Wanted("user.login", {"actor_name": "Alice"})


def test_an_event_without_targets_says_so(event):
    event.targets = []
    (miss,) = Wanted(None, {"target_id": "u-2"}).misses(event)
    assert "absent" in miss


def test_the_expectation_can_be_read():
    assert str(Wanted("user.login", {})) == "user.login"
    assert "org_id='acme'" in str(Wanted(None, {"org_id": "acme"}))


def test_the_event_is_described_on_one_line_and_compared_if_it_has_the_key(event):
    other = describe(event, Wanted("user.login", {"org_id": "x"}))
    assert "\n" not in other
    for part in ("org_id='42'", "user:u-1", "user:u-2", "team:t-1", "(None, 'admin')", "success"):
        assert part in other
    same = describe(event, Wanted(event.event, {"org_id": "x", "outcome": "y"}))
    assert same.startswith(other)
    assert len(same.splitlines()) == 3
