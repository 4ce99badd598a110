"""Every rule of an event holds for every sender: repaired with a mark, or rejected by field."""

import copy

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.batches import decode, find_current
from tests.support.events import datum

from orgtrail_consumers.steps.normalize import InvalidFieldError, _suspicious, normalize, repair
from orgtrail_schemas.catalogue import catalogue
from orgtrail_schemas.limits import ADDRESS_KEY, LIST_LENGTH, REPAIRED_KEY, TEXT_LENGTH

PERSON = {"type": "user", "id": "u-2", "email": "bob@acme.example", "name": "Bob"}
KNOWN = catalogue()


def sent(**changed):
    """One event as the consumer decodes it, with fields changed: ``actor__type="x"``."""
    decoded = decode([datum()], find_current)
    (event,) = decoded.columns.to_pylist()
    for name, value in changed.items():
        first, _, rest = name.partition("__")
        if rest:
            event[first] = event[first] | {rest: value}
        else:
            event[first] = value
    columns = pa.RecordBatch.from_pylist([event], schema=decoded.columns.schema)
    return decoded._replace(columns=columns)


def normalized(**changed):
    done = normalize(sent(**changed), KNOWN)
    if done.rejected:
        (rejected,) = done.rejected
        assert (rejected.reason, rejected.position) == ("invalid_field", 0)
        return rejected.detail
    (event,) = done.columns.to_pylist()
    return event | {"metadata": dict(event["metadata"])}


def test_an_event_of_the_sdk_is_left_alone():
    given = sent(actor__name="Zoë\u200b", targets=[PERSON], metadata=[("a", "b")])
    assert normalize(given, KNOWN) is given


@pytest.mark.parametrize(
    ("changed", "field", "value", "mark"),
    [
        ({"outcome": "SUCCESS"}, "outcome", "success", "outcome: was 'SUCCESS'"),
        ({"outcome": " denied\u00a0"}, "outcome", "denied", "outcome: was ' denied\\xa0'"),
        ({"event": "User.Login "}, "event", "user.login", "event: was 'User.Login '"),
        ({"actor__type": "User"}, "actor.type", "user", "actor.type: was 'User'"),
        ({"actor__email": " Al@ACME.example\u200b"}, "actor.email", "Al@acme.example",
         "actor.email: blanks removed"),
        ({"actor__id": "\ufeffu-1 "}, "actor.id", "u-1", "actor.id: blanks removed"),
        ({"actor__id": "u\x001"}, "actor.id", "u\ufffd1", "actor.id: NUL replaced"),
        ({"actor__id": "", "actor__email": ""}, "actor.id", "unknown",
         "actor: neither id nor email"),
        ({"actor__name": "x" * 9000}, "actor.name", "x" * TEXT_LENGTH, "actor.name: cut"),
        ({"context__user_agent": "é" * 9000}, "context.user_agent", "é" * TEXT_LENGTH,
         "context.user_agent: cut"),
        ({"context__ip": "::ffff:8.8.8.8"}, "context.ip", "8.8.8.8", "context.ip: normalized"),
        ({"context__ip": "2001:DB8:0:0:0:0:0:1"}, "context.ip", "2001:db8::1",
         "context.ip: normalized"),
        ({"context__ip": "unknown"}, "context.ip", "", "context.ip: not an address"),
        ({"impersonator": PERSON | {"type": ""}}, "impersonator.type", "user",
         "impersonator.type: missing"),
        ({"targets": [PERSON | {"type": ""}]}, "targets.0.type", "unknown",
         "targets[0].type: missing"),
        ({"targets": [PERSON, PERSON | {"id": " x"}]}, "targets.1.id", "x",
         "targets[1].id: blanks removed"),
        ({"changes": [{"field": "", "old": None, "new": "a" * 9000}]}, "changes.0.new",
         "a" * TEXT_LENGTH, "changes[0].new: cut"),
        ({"metadata": [("k", "v" * 2000)]}, "metadata.k", "v" * 1024, "metadata.k: cut"),
        ({"metadata": [("", "v")]}, "metadata.unknown", "v", None),
        ({"metadata": [(f"k{n}", "") for n in range(60)]}, "metadata.k49", "",
         "metadata: cut to 50 keys"),
    ],
)  # fmt: skip
def test_what_can_be_repaired_is_repaired_and_marked(changed, field, value, mark):
    event = (
        normalized(targets=[PERSON], **changed)
        if "targets" not in changed
        else normalized(**changed)
    )
    found = event
    for part in field.split("."):
        found = found[int(part)] if part.isdigit() else found[part]
    assert found == value
    assert mark is None or mark in event["metadata"][REPAIRED_KEY]


@pytest.mark.parametrize("token", ["AKIA" + "IOSFODNN7EXAMPLE", "ghp_" + "a1B2" * 9])
def test_a_credential_in_any_value_is_redacted(token):
    event = normalized(
        targets=[PERSON],
        changes=[{"field": "note", "old": None, "new": f"was {token}"}],
        context__user_agent=f"curl/{token}",
        metadata=[("detail", token)],
    )
    assert token not in repr(event)
    assert event["changes"][0]["new"] == "was [redacted]"
    assert event["metadata"]["detail"] == "[redacted]"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"outcome": "=1+41"}, "outcome"),
        ({"outcome": ""}, "outcome"),
        ({"event": "=cmd()"}, "event"),
        ({"event": "x" * 200}, "event"),
        ({"org_id": "acme "}, "org_id"),
        ({"org_id": "acme\n"}, "org_id"),
        ({"org_id": "x" * 200}, "org_id"),
        ({"actor__type": "robot"}, "actor.type"),
        ({"impersonator": PERSON | {"type": "robot"}}, "impersonator.type"),
        ({"targets": [PERSON] * (LIST_LENGTH + 1)}, "targets"),
        ({"changes": [{"field": "f", "old": None, "new": None}] * (LIST_LENGTH + 1)}, "changes"),
    ],
)
def test_what_cannot_be_repaired_is_rejected_by_the_name_of_its_field(changed, field):
    detail = normalized(**changed)
    assert detail.startswith(f"{field}: ")
    assert "=1" not in detail
    assert "acme" not in detail


def test_the_address_as_it_was_sent_stays_visible():
    event = normalized(context__ip="[::ffff:8.8.8.8]:443", targets=[PERSON])
    assert event["metadata"][ADDRESS_KEY] == "[::ffff:8.8.8.8]:443"


def test_marks_of_the_sdk_are_kept():
    event = normalized(metadata=[(REPAIRED_KEY, "actor.name: cut")], outcome="FAILURE")
    assert event["metadata"][REPAIRED_KEY].startswith("actor.name: cut; outcome: was ")


def test_an_event_about_its_actor_names_them_as_the_target():
    event = normalized(targets=[])
    assert event["targets"] == [event["actor"]]
    assert REPAIRED_KEY not in event["metadata"]


def test_an_impersonator_of_whom_nothing_is_said_is_absent():
    nobody = dict.fromkeys(PERSON, "")
    assert normalized(impersonator=nobody, targets=[PERSON])["impersonator"] is None


def test_neighbours_keep_their_positions_and_schemas():
    values = [datum(outcome=outcome) for outcome in ("success", "NO", "Failure", "denied")]
    done = normalize(decode([*values, b"junk"], find_current), KNOWN)
    rows = dict(zip(done.positions.to_pylist(), done.columns["outcome"].to_pylist(), strict=True))
    assert rows == {0: "success", 2: "failure", 3: "denied"}
    assert {(r.position, r.reason) for r in done.rejected} == {
        (1, "invalid_field"),
        (4, "unknown_framing"),
    }
    assert len(done.fingerprints) == 3


odd = st.sampled_from(["", "x", "SUCCESS", " a", "a\u200b", "é" * 5000, "a" * 4097, "8.8.8.8", "::1",
                       "::FFFF:1.2.3.4", "user.login", "user", "A@B.c", "system", "acme"])  # fmt: skip
persons = st.fixed_dictionaries(dict.fromkeys(PERSON, odd))
texts = dict.fromkeys(("ip", "user_agent", "request_id", "session_id", "service", "trace_id"), odd)
events = st.fixed_dictionaries(
    {
        "event": odd, "org_id": odd, "outcome": odd, "actor": persons,
        "impersonator": st.none() | persons, "targets": st.lists(persons, max_size=2),
        "changes": st.lists(
            st.fixed_dictionaries({"field": odd, "old": st.none() | odd, "new": odd}), max_size=2
        ),
        "context": st.fixed_dictionaries(texts),
        "metadata": st.lists(st.tuples(odd, odd), max_size=3, unique_by=lambda pair: pair[0]),
    }
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(events, min_size=1, max_size=4))
def test_no_row_that_repair_would_change_goes_unsuspected(items):
    (base,) = decode([datum()], find_current).columns.to_pylist()
    schema = decode([datum()], find_current).columns.schema
    columns = pa.RecordBatch.from_pylist([base | item for item in items], schema=schema)
    suspected = _suspicious(columns, KNOWN).to_pylist()
    for event, suspicion in zip(columns.to_pylist(), suspected, strict=True):
        before = copy.deepcopy(event)
        try:
            changed = repair(event, KNOWN) != before
        except InvalidFieldError:
            changed = event["org_id"] != "" and event["event"] != ""
        assert suspicion or not changed, before


@settings(max_examples=200, deadline=None)
@given(events)
def test_a_repaired_event_needs_no_repair(item):
    (base,) = decode([datum()], find_current).columns.to_pylist()
    try:
        once = repair(base | item, KNOWN)
    except InvalidFieldError:
        return
    assert repair(copy.deepcopy(once), KNOWN) == once
