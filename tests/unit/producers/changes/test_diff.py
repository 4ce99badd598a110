import copy
import dataclasses
import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgtrail import Actor, Change, InvalidEventError
from orgtrail.build import make_event
from orgtrail.changes import Changes, diff, snapshot
from orgtrail.text import text
from orgtrail_schemas.catalogue import REDACTED


@dataclasses.dataclass
class DataUser:
    name: str = "Bob"
    role: str = "member"
    tags: Any = None


@attrs.define
class AttrsUser:
    name: str = "Bob"
    role: str = "member"
    tags: Any = None


class PydanticUser(pydantic.BaseModel):
    name: str = "Bob"
    role: str = "member"
    tags: Any = None


class StructUser(msgspec.Struct):
    name: str = "Bob"
    role: str = "member"
    tags: Any = None


KINDS = [DataUser, AttrsUser, PydanticUser, StructUser, dict]


def made(kind, **fields):
    return kind(**({"name": "Bob", "role": "member", "tags": None} | fields))


def pairs(changes):
    return {change.field: (change.old, change.new) for change in changes}


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_only_what_changed_whatever_the_two_are(before, after):
    changes = diff(made(before), made(after, role="admin"))
    assert changes == [Change(field="role", old="member", new="admin")]
    assert isinstance(changes, Changes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_keeps_the_state_before(kind):
    user = made(kind, tags={"a": [1]})
    before = snapshot(user)
    tags = user["tags"] if kind is dict else user.tags
    tags["a"].append(2)
    assert pairs(diff(before, user)) == {"tags": ('{"a": [1]}', '{"a": [1, 2]}')}
    assert diff(snapshot(user), user) == []


def test_a_snapshot_shares_no_bytes():
    row = {"key": bytearray(b"a")}
    before = snapshot(row)
    row["key"][0] = ord("b")
    assert pairs(diff(before, row)) == {"key": ("a", "b")}


def test_a_snapshot_shows_no_value_and_can_be_sent_to_another_process():
    before = snapshot(made(dict, name="hunter2"))
    assert "hunter2" not in repr(before)
    for copied in (pickle.loads(pickle.dumps(before)), copy.deepcopy(before)):
        assert pairs(diff(copied, made(dict, name="x"))) == {"name": ("hunter2", "x")}


def test_the_event_names_the_fields_and_their_order():
    before = {"time_zone": "UTC", "shoe_size": 40, "phone": "1", "name": "Bob"}
    after = {"time_zone": "CET", "shoe_size": 41, "phone": "2", "name": "Rob"}
    assert list(pairs(diff(before, after, event="org.user.profile.updated"))) == [
        "name",
        "phone",
        "time_zone",
    ]
    assert list(pairs(diff(before, after))) == ["time_zone", "shoe_size", "phone", "name"]


def test_an_unknown_event_is_refused_with_the_nearest_one():
    with pytest.raises(InvalidEventError, match=r"event: user\.logn .*maybe user\.login\?"):
        diff({}, {}, event="user.logn")


def test_names_translate_and_only_narrows():
    before, after = (
        {"role_id": 1, "tz": "UTC", "name": "a"},
        {"role_id": 2, "tz": "CET", "name": "b"},
    )
    assert pairs(diff(before, after, names={"role_id": "role"}, only=["role_id"])) == {
        "role": ("1", "2")
    }
    assert pairs(
        diff(before, after, event="org.user.profile.updated", names={"tz": "time_zone"})
    ) == {"name": ("a", "b"), "time_zone": ("UTC", "CET")}


def test_a_partial_update_names_its_own_fields():
    patch = {"role": "admin"}
    assert pairs(diff(made(dict), patch, only=patch)) == {"role": ("member", "admin")}


@pytest.mark.parametrize("argument", [{"only": ["roel"]}, {"names": {"roel": "role"}}])
def test_a_field_that_neither_object_has_is_a_mistake(argument):
    with pytest.raises(InvalidEventError, match="neither object has a field roel"):
        diff(DataUser(), DataUser(), **argument)
    # A mapping may lack a key today.
    assert diff({"a": 1}, {"a": 1}, **argument) == []


def test_a_missing_key_is_none():
    assert diff({}, {"name": None}) == []
    assert pairs(diff({}, {"name": ""})) == {"name": (None, "")}
    assert pairs(diff({"name": "Bob"}, {})) == {"name": ("Bob", None)}


def test_an_object_that_was_made_or_deleted():
    assert pairs(diff(None, DataUser())) == {"name": (None, "Bob"), "role": (None, "member")}
    assert pairs(diff(DataUser(), None)) == {"name": ("Bob", None), "role": ("member", None)}
    assert diff(None, None) == []


def test_what_was_never_set_is_not_compared():
    class Patch(msgspec.Struct):
        name: str | msgspec.UnsetType = msgspec.UNSET
        role: str | msgspec.UnsetType = msgspec.UNSET

    assert pairs(diff(StructUser(), Patch(role="admin"), only=["name", "role"])) == {
        "role": ("member", "admin")
    }
    assert diff(PydanticUser(), PydanticUser.model_construct(), only=["role"]) == []
    half = PydanticUser.model_construct()
    del half.__dict__["role"]
    assert diff(PydanticUser(), half) == []


def test_extra_fields_of_a_pydantic_model_count():
    class Open(pydantic.BaseModel, extra="allow"):
        name: str = "Bob"

    assert pairs(diff(Open(role="member"), Open(role="admin"))) == {"role": ("member", "admin")}


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (5, "5"),
        (Decimal("1.0"), Decimal("1.00")),
        (NOON, NOON.astimezone(timezone(timedelta(hours=2)))),
        (Colour.RED, "red"),
        ((1, 2), [1, 2]),
        ({3, 1, 2}, frozenset({2, 3, 1})),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (float("nan"), float("nan")),
        (Decimal("sNaN"), Decimal("sNaN")),
        (bytearray(b"x"), b"x"),
        (DataUser(), AttrsUser()),
        (False, "false"),
    ],
)
def test_the_same_in_other_words_is_no_change(old, new):
    assert diff({"x": old}, {"x": new}) == []


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (1, True, ("1", "true")),
        ([1], [True], ("[1]", "[true]")),
        (None, "", (None, "")),
        (Colour.RED, Colour.BLUE, ("red", "blue")),
        (date(2026, 1, 1), NOON, ("2026-01-01", "2026-01-01T12:00:00+00:00")),
        ({"d": date(2026, 1, 1)}, None, ('{"d": "2026-01-01"}', None)),
        ({"é": {1, 2}}, [], ('{"é": [1, 2]}', "[]")),
        (timedelta(hours=1), timedelta(hours=2), ("1:00:00", "2:00:00")),
        (Decimal("sNaN"), Decimal("1"), ("sNaN", "1")),
        ({1: "a"}, {1: "b"}, ('{"1": "a"}', '{"1": "b"}')),
    ],
)
def test_values_become_text(old, new, shown):
    assert pairs(diff({"x": old}, {"x": new})) == {"x": shown}


class Plain:
    def __init__(self):
        self.role = "admin"


@pytest.mark.parametrize("refused", [Plain(), "text", 5, ["a"], DataUser, PydanticUser, object()])
def test_what_declares_no_fields_is_refused(refused):
    with pytest.raises(
        InvalidEventError, match=r"before: must be a mapping.* not \w+; pass a dict"
    ):
        diff(refused, {})
    with pytest.raises(InvalidEventError, match="snapshot: must be a mapping"):
        snapshot(refused)


def loop():
    looped: dict[str, Any] = {}
    looped["x"] = looped
    return looped


@pytest.mark.parametrize("value", [Plain(), object(), loop(), print, iter([])])
def test_a_value_without_a_text_is_refused_by_the_name_of_its_field(value):
    with pytest.raises(InvalidEventError, match=r"^x: ") as caught:
        diff({"x": 1}, {"x": value})
    assert caught.value.field == "x"


def test_a_secret_field_is_reported_and_emit_redacts_it():
    changes = diff({"password": "old"}, {"password": "new"}, event="user.password.changed")
    assert [change.field for change in changes] == ["password"]
    (event,) = make_event(
        "user.password.changed",
        org_id="acme",
        actor=Actor(id="u-1"),
        changes=changes,
        event_id=None,
        now_ms=round(datetime.now(UTC).timestamp() * 1000),
    )
    assert pairs(event.changes) == {"password": (REDACTED, REDACTED)}


def test_a_secret_within_a_value_is_redacted_at_once():
    before = {"settings": {"apiKey": "hunter1", "list": [{"db_password": "hunter1"}], "old": None}}
    after = {"settings": {"apiKey": "hunter2", "list": [{"db_password": "hunter2"}], "old": None}}
    (change,) = diff(before, after)
    assert "hunter" not in f"{change.old}{change.new}"
    assert json.loads(str(change.new)) == {
        "apiKey": REDACTED,
        "list": [{"db_password": REDACTED}],
        "old": None,
    }
    assert diff(before, before) == []


def test_a_secret_of_pydantic_is_redacted_wherever_it_stands():
    class Model(pydantic.BaseModel):
        note: pydantic.SecretStr
        more: list[pydantic.SecretStr] = []

    first = Model(note=pydantic.SecretStr("hunter1"))
    second = Model(note=pydantic.SecretStr("hunter2"), more=[pydantic.SecretStr("hunter3")])
    assert pairs(diff(first, second)) == {
        "note": (REDACTED, REDACTED),
        "more": ("[]", f'["{REDACTED}"]'),
    }
    assert diff(snapshot(first), first) == []


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.floats()
    | st.decimals()
    | st.dates()
    | st.datetimes(timezones=st.timezones())
    | st.uuids()
    | st.sampled_from(Colour)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)
STATES = st.dictionaries(st.sampled_from("abcd"), VALUES)


@given(before=STATES, after=STATES)
def test_any_two_states(before, after):
    changes = diff(before, after)
    fields = [change.field for change in changes]
    assert len(set(fields)) == len(fields)
    assert set(fields) <= set(before) | set(after)
    for change in changes:
        assert change.old is None or isinstance(change.old, str)
        assert change.new is None or isinstance(change.new, str)
    # Back again: the same fields, the other way round.
    back = pairs(diff(after, before))
    assert back == {c.field: (c.new, c.old) for c in changes}
    for field in set(before) | set(after):
        if field not in fields:
            assert field not in back
    for change in changes:
        for side, shown in ((before, change.old), (after, change.new)):
            value = side.get(change.field)
            if isinstance(value, bool | int | float | Decimal | date | bytes | Enum):
                assert shown == text(value, 10**6, "x", [])


@given(state=STATES)
def test_a_state_does_not_differ_from_itself_nor_from_its_snapshot(state):
    assert diff(state, copy.deepcopy(state)) == []
    assert diff(snapshot(state), state) == []
    assert diff(state, snapshot(state)) == []
    assert diff(snapshot(snapshot(state)), state) == []


@given(before=VALUES, after=VALUES)
def test_one_changed_value_is_found_whatever_its_kind(before, after):
    found = pairs(diff({"x": before}, {"x": after}))
    for kind in (DataUser, AttrsUser, PydanticUser, StructUser):
        given_ = kind.model_construct if kind is PydanticUser else kind
        changes = diff(given_(tags=before), given_(tags=after))
        assert pairs(changes).get("tags") == found.get("x")
        assert len(changes) == len(found)
