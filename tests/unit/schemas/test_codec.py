import pytest
from tests.support.confluent import encode_confluent
from tests.support.events import record

from orgtrail_schemas.codec import (
    Frame,
    UnknownFramingError,
    decode_datum,
    encode,
    read_frame,
)
from orgtrail_schemas.event_schema import current_schema

SCHEMA = current_schema()


def test_single_object_encoding_names_the_schema():
    value = encode(SCHEMA, record())
    assert value[:2] == b"\xc3\x01"
    assert read_frame(value) == Frame(SCHEMA.fingerprint, None, 10)


def test_confluent_framing_carries_the_registry_id():
    assert read_frame(encode_confluent(SCHEMA, 258, record())) == Frame(None, 258, 5)


@pytest.mark.parametrize("value", [b"", b"\xc3", b"\xc3\x01short", b"\x00\x00\x00", b'{"event":1}'])
def test_other_bytes_have_no_frame(value):
    with pytest.raises(UnknownFramingError):
        read_frame(value)


def test_what_is_encoded_is_decoded():
    sent = record(metadata={"clé": "värde 😀"}, changes=[{"field": "x", "old": None, "new": ""}])
    seen = decode_datum(SCHEMA, SCHEMA, encode(SCHEMA, sent)[10:])
    assert seen == sent | {"occurred_at": int(sent["occurred_at"].timestamp() * 1000)}
