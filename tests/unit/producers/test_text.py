import json
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from tests.support.built import build

from orgtrail import Actor, Change, Context, InvalidEventError, Target
from orgtrail.text import text
from orgtrail_schemas.catalogue import REDACTED
from orgtrail_schemas.codec import decode_datum, encode
from orgtrail_schemas.event_schema import current_schema


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


def test_the_domain_of_an_email_is_in_lower_case():
    record = build(actor=Actor(email="Alice@ACME.example", name="ALICE"))[0]
    assert record["actor"] == {
        "type": "user", "id": "", "email": "Alice@acme.example", "name": "ALICE"
    }  # fmt: skip


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
    assert max(len(value) for value in read["context"].values()) <= 4096


@pytest.mark.parametrize(
    ("value", "sent", "repairs"),
    [
        ("12345", "12345", []),
        ("123456", "12345", ["f: cut"]),
        ("ü" * 6, "ü" * 5, ["f: cut"]),
        ("\ud800x", "\ufffdx", ["f: invalid Unicode"]),
        ("\udcff" * 6, "\ufffd" * 5, ["f: invalid Unicode", "f: cut"]),
        (123456, "12345", ["f: cut"]),
        (None, "", []),
    ],
)
def test_text_is_cut_to_a_length_and_the_repairs_are_told(value, sent, repairs):
    told = []
    assert (text(value, 5, "f", told), told) == (sent, repairs)


@pytest.mark.parametrize("value", [object(), int, lambda: "x", 1j, range(3)])
def test_a_type_without_a_conversion_is_refused_by_its_field(value):
    with pytest.raises(InvalidEventError) as refused:
        text(value, 100, "actor.name", [])
    assert refused.value.field == "actor.name"


def test_secrets_inside_a_mapping_are_redacted_at_any_depth():
    value = {"user": [{"password": "hunter2", "name": "x"}], "api_key": {"value": "hunter2"}}
    sent = text(value, 4096, "f", [])
    assert "hunter2" not in sent
    assert json.loads(sent) == {
        "user": [{"password": REDACTED, "name": "x"}],
        "api_key": REDACTED,
    }


def test_a_set_is_sent_in_one_order():
    assert text({"b", "a", "c"}, 100, "f", []) == '["a", "b", "c"]'


def test_a_value_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(InvalidEventError):
        text(value, 100, "f", [])


def test_a_number_that_python_does_not_print_is_sent():
    told = []
    assert text(10**5000, 100, "f", told).startswith("0x")
    assert told == ["f: cut"]
