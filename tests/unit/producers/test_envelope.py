"""A record as it is sent: key, value, CloudEvents headers, and its limit of size."""

import msgspec
import pytest
from tests.support.built import ALICE, NOW

from orgtrail import Change, Context, InvalidEventError, Target
from orgtrail.build import make_event
from orgtrail.envelope import Envelope, headers, seal
from orgtrail.event import as_record
from orgtrail_schemas.codec import decode_datum
from orgtrail_schemas.event_schema import current_schema
from orgtrail_schemas.limits import MAX_EVENT_BYTES

NOW_MS = int(NOW.timestamp() * 1000)


def event(**changed):
    given = {"org_id": "acme", "actor": ALICE, "occurred_at": NOW, "now_ms": NOW_MS}
    return make_event("user.login", **(given | changed))[0]


def decoded(envelope):
    schema = current_schema()
    return decode_datum(schema, schema, envelope.value[10:])


def test_the_organization_is_the_key_and_the_value_is_the_event():
    one = event(context=Context(service="accounts"))
    envelope = seal(one, 7, 1234, "00-trace")
    assert envelope.key == "acme"
    assert decoded(envelope) == as_record(one) | {"occurred_at": NOW_MS}
    assert (envelope.ticket, envelope.accepted_at) == (7, 1234)
    assert (envelope.event_id, envelope.event) == (one.event_id, "user.login")


@pytest.mark.parametrize("error", [LookupError, TypeError, AttributeError, ValueError])
def test_what_the_fast_encoder_does_not_cover_is_encoded_the_same(monkeypatch, error):
    def encode(_event):
        raise error

    one = event(changes=[Change(field="email", old=None, new="ü")])
    fast = seal(one, 1, 1)
    monkeypatch.setattr("orgtrail.envelope.event_encoder", lambda: encode)
    assert seal(one, 1, 1) == fast


@pytest.mark.parametrize(("room", "fits"), [(0, True), (-1, False)])
def test_a_record_may_be_as_large_as_the_limit_and_no_larger(monkeypatch, room, fits):
    one = event(targets=[Target(type="user", id="x" * 1000)] * 10)
    size = len(seal(one, 1, 1).value)
    monkeypatch.setattr("orgtrail.envelope.MAX_EVENT_BYTES", size + room)
    if fits:
        assert seal(one, 1, 1)
    else:
        with pytest.raises(InvalidEventError) as refused:
            seal(one, 1, 1)
        assert refused.value.field == "event"


def test_the_largest_event_that_the_rules_allow_may_be_too_large():
    one = event(targets=[Target(type="user", id="x" * 4_000)] * (MAX_EVENT_BYTES // 4_000 + 1))
    with pytest.raises(InvalidEventError):
        seal(one, 1, 1)


def test_headers_follow_cloudevents():
    one = event(context=Context(service="accounts"))
    assert headers(seal(one, 1, 1)) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", one.event_id.encode()),
        ("ce_type", b"user.login"),
        ("ce_source", b"accounts"),
        ("ce_time", b"2026-11-23T12:00:00.123+00:00"),
        ("content-type", b"application/avro"),
    ]


def test_a_trace_is_a_header_of_its_own():
    assert headers(seal(event(), 1, 1, "00-ab-cd-01"))[-1] == ("traceparent", b"00-ab-cd-01")


@pytest.mark.parametrize(
    ("service", "source"),
    [
        ("", b"orgtrail"),
        ("accounts", b"accounts"),
        ("my service", b"my%20service"),
        ("urn:example:accounts", b"urn:example:accounts"),
        ("https://x.example/a?b#c", b"https://x.example/a%3Fb%23c"),
        ("zürich", b"z%C3%BCrich"),
        ("a\r\nb", b"a%0D%0Ab"),
    ],
)
def test_the_source_is_a_uri_reference(service, source):
    found = dict(headers(seal(event(context=Context(service=service)), 1, 1)))
    assert found["ce_source"] == source


@pytest.mark.parametrize(("milliseconds", "text"), [(0, b"1970-01-01T00:00:00.000+00:00"), (-1, b"1969-12-31T23:59:59.999+00:00"), (1_005, b"1970-01-01T00:00:01.005+00:00")])  # fmt: skip
def test_a_time_keeps_its_milliseconds(milliseconds, text):
    envelope = Envelope(1, 1, "acme", b"", "id", "e", "s", milliseconds)
    assert dict(headers(envelope))["ce_time"] == text


def test_a_record_that_an_older_version_wrote_has_no_trace():
    old = msgspec.msgpack.encode([1, 2, "acme", b"v", "id", "user.login", "svc", 3])
    read = msgspec.msgpack.decode(old, type=Envelope)
    assert (read.key, read.value, read.traceparent) == ("acme", b"v", "")
