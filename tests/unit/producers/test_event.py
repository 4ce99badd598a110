import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, StrEnum

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from orgtrail import Actor, Change, Context, InvalidEventError, Target
from orgtrail.event_id import new_event_id
from orgtrail.make import build_event
from orgtrail_schemas.catalogue import REDACTED
from orgtrail_schemas.codec import decode_datum, encode
from orgtrail_schemas.event_schema import current_schema


class NoOffset(tzinfo):
    def utcoffset(self, _moment):
        return None


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


def test_new_ids_are_of_version_7_and_of_now():
    made = new_event_id()
    assert made.version == 7
    assert abs((made.int >> 80) / 1000 - datetime.now(UTC).timestamp()) < 5


FORKS_IN_C = """
import ctypes, os
from orgtrail.event_id import new_event_id

new_event_id()
child = ctypes.PyDLL(None).fork()
made = [str(new_event_id())[14:] for _ in range(20)]
if not child:
    print(*made, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(*made)
"""


def test_processes_that_a_server_forks_in_c_make_different_ids():
    printed = subprocess.run(
        [sys.executable, "-c", FORKS_IN_C], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(printed) == len(set(printed)) == 40


class Colour(Enum):
    RED = "red"
    TWO = 2


class Role(StrEnum):
    ADMIN = "admin"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (5, "5"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:00:00+00:00"),
        (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (Colour.RED, "red"),
        (Colour.TWO, "2"),
        (Role.ADMIN, "admin"),
        (b"bytes \xff", "bytes \ufffd"),
        ({"a": [1, "ü"]}, '{"a": [1, "ü"]}'),
        (["x", None], '["x", null]'),
    ],
)
def test_values_become_text_in_one_way(value, sent):
    record = build(
        "org.user.profile.updated",
        actor=Actor(id="u", name=value),
        targets=[Target(type="user", id="u-1", name=value)],
        changes=[Change(field="name", old="x", new=value)],
        context=Context(request_id=value),
        metadata={"note": value},
    )[0]
    assert record["actor"]["name"] == sent
    assert record["targets"][0]["name"] == sent
    assert record["changes"][0]["new"] == (None if value is None else sent)
    assert record["context"]["request_id"] == sent
    assert record["metadata"]["note"] == sent


@pytest.mark.parametrize(
    ("sent", "ip"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        (' "203.0.113.9" ', "203.0.113.9"),
        ("::ffff:80.67.169.12", "80.67.169.12"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%<script>\n", "fe80::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
    ],
)
def test_an_address_is_sent_in_its_canonical_form(sent, ip):
    record = build(context=Context(ip=sent))[0]
    assert record["context"]["ip"] == ip
    assert record["metadata"] == {}


@pytest.mark.parametrize(
    "sent", ["unknown", "testclient", "999.1.1.1", "_hidden", "1.2.3.4, 5.6.7.8"]
)
def test_what_is_no_address_is_kept_in_the_metadata(sent):
    record = build(context=Context(ip=sent))[0]
    assert record["context"]["ip"] == ""
    assert record["metadata"] == {
        "orgtrail.ip": sent,
        "orgtrail.repaired": "context.ip: not an address",
    }


def test_a_repair_is_marked():
    record = build(
        actor=Actor(id="u", name="x" * 5000),
        context=Context(user_agent="bad \ud800", request_id=None),
        metadata={"k": "v" * 1025},
    )[0]
    assert len(record["actor"]["name"]) == 4096
    assert record["context"]["user_agent"] == "bad \ufffd"
    assert len(record["metadata"]["k"]) == 1024
    assert record["metadata"]["orgtrail.repaired"] == (
        "actor.name: cut; metadata.k: cut; context.user_agent: invalid Unicode"
    )


def test_a_mark_is_shown_in_an_unlisted_event_too():
    record = build("shop.sold", context=Context(ip="nowhere"))[0]
    assert record["metadata"]["orgtrail.ip"] == "nowhere"


def test_an_actor_that_a_client_left_empty_is_recorded():
    for left in ({"email": ""}, {"email": None}, {"id": ""}, {"id": None, "email": None}):
        record = build(actor=Actor(**left))[0]
        assert record["actor"]["id"] == "unknown"
        assert record["metadata"]["orgtrail.repaired"] == "actor: neither id nor email"


def test_the_domain_of_an_email_is_in_lower_case():
    record = build(actor=Actor(email="Alice@ACME.example", name="ALICE"))[0]
    assert record["actor"] == {
        "type": "user", "id": "", "email": "Alice@acme.example", "name": "ALICE"
    }  # fmt: skip


def test_one_target_stands_for_a_list_and_none_for_none():
    bob = Target(type="user", id="u-2")
    for given in (bob, [bob], (bob,), iter([bob])):
        assert [t["id"] for t in build(targets=given)[0]["targets"]] == ["u-2"]
    assert build("org.details.updated", targets=None, changes=None)[0]["targets"] == []


def test_an_organization_may_be_a_number_or_a_uuid():
    assert build(org_id=5)[0]["org_id"] == "5"
    assert build(org_id=uuid.UUID(int=5))[0]["org_id"] == str(uuid.UUID(int=5))


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.uuids(),
    st.datetimes(), st.dates(), st.binary(max_size=50),
    st.text(st.characters(exclude_categories=()), max_size=50),
    st.sampled_from(["x" * 5000, "\ud800" * 2000, "\x00", "ü" * 4096, "😀" * 4097, "A@B@C", "@"]),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@hypothesis.given(st.lists(anything, min_size=20, max_size=20), st.data())
def test_nothing_that_a_client_sends_makes_an_event_fail(values, data):
    take = iter(values).__next__
    records = build(
        data.draw(st.sampled_from(["user.login", "shop.sold", "org.user.profile.updated"])),
        actor=Actor(id=take(), email=take(), name=take()),
        impersonator=Actor(type="support", id=take(), email=take()),
        targets=[Target(type="user", id=take(), email=take(), name=take())],
        changes=[Change(field="name", old=take(), new=take())],
        context=Context(
            ip=take(), user_agent=take(), request_id=take(), session_id=take(), service=take(),
            trace_id=take(),
        ),
        metadata={"a": take(), "password": take()},
    )  # fmt: skip
    schema = current_schema()
    encoded = encode(schema, records[0])
    read = decode_datum(schema, schema, encoded[10:])
    assert read["actor"]["id"] or read["actor"]["email"]
    assert max(len(text) for text in read["context"].values()) <= 4096
