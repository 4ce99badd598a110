"""A scope travels as a small dictionary of texts, and what others send does no harm."""

import json

from hypothesis import given
from hypothesis import strategies as st

from orgtrail import Actor
from orgtrail.build import make_event
from orgtrail.request.carrier import LONGEST, VERSION, dump, load
from orgtrail.scope import Scope

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FULL = {
    "actor": Actor(id="u-1", email="alice@acme.example", name="Alice"),
    "impersonator": Actor(type="support", id="s-1"),
    "org_id": "acme",
    "ip": "203.0.113.9",
    "user_agent": "curl/8",
    "request_id": "req-1",
    "session_id": "ses-1",
    "traceparent": TRACEPARENT,
    "trace_id": TRACEPARENT[3:35],
}
FIELDS = ("ip", "user_agent", "request_id", "session_id", "traceparent", "trace_id", "org_id")


def parts(scope):
    return [scope.who(), scope.impersonator, *(getattr(scope, field) for field in FIELDS)]


def test_everything_arrives():
    scope = Scope(**FULL)
    carried = json.loads(json.dumps(dump(scope)))
    assert parts(load(carried)) == parts(scope)
    assert all(type(value) is str for value in carried.values())


def test_the_dictionary_is_the_contract_between_versions():
    assert dump(Scope(**FULL)) == {
        "v": "1",
        "org_id": "acme",
        "traceparent": TRACEPARENT,
        "ip": "203.0.113.9",
        "user_agent": "curl/8",
        "request_id": "req-1",
        "session_id": "ses-1",
        "actor.type": "user",
        "actor.id": "u-1",
        "actor.email": "alice@acme.example",
        "actor.name": "Alice",
        "impersonator.type": "support",
        "impersonator.id": "s-1",
    }


def test_functions_are_asked_before_it_leaves():
    scope = Scope(actor=lambda: {"id": 5}, org_id=lambda: "acme")
    assert dump(scope) == {"v": "1", "org_id": "acme", "actor.type": "user", "actor.id": "5"}


def test_an_actor_that_could_not_be_told_is_unknown_there_too():
    def actor_of_nobody():
        raise LookupError

    arrived = load(dump(Scope(actor=actor_of_nobody, org_id="acme"))).who()
    made = make_event("user.login", org_id="acme", actor=arrived, event_id=None, now_ms=2**50)
    assert made[0].actor.id == "unknown"


def test_it_is_bounded_and_clean():
    scope = Scope(ip=object(), user_agent="x" * 5_000, request_id="\ud800", org_id=["a", "b"])
    carried = dump(scope)
    assert carried["user_agent"] == "x" * LONGEST
    assert carried["request_id"] == "\ufffd"
    assert "ip" not in carried
    json.dumps(carried).encode()


def test_what_is_not_valid_is_left_out():
    carried = {
        "v": VERSION,
        "actor.type": "root",
        "actor.id": "u-1",
        "org_id": "a b/c",
        "ip": 5,
        "user_agent": "x" * (LONGEST + 1),
        "traceparent": "junk",
        "request_id": "kept",
        "who": "knows",
    }
    assert parts(load(carried)) == parts(Scope(request_id="kept"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)


@given(JSON | st.dictionaries(st.sampled_from(["v", *dump(Scope(**FULL))]), JSON | st.just("1")))
def test_garbage_never_raises(carried):
    loaded = load(carried)
    assert loaded is None or load(dump(loaded)) is not None


def test_another_version_is_ignored():
    assert load(dump(Scope(**FULL)) | {"v": "2"}) is None
    assert load({}) is None
    assert load(None) is None
