"""The fast encoder's headers are the schema's, and importing it loads nothing large."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from tests.support.events import record

from orgtrail_schemas.codec import decode_datum, encode, read_frame
from orgtrail_schemas.event_schema import current_schema, event_schemas
from orgtrail_schemas.wire import CURRENT, HEADERS, event_encoder


def test_there_is_a_header_for_every_released_schema():
    assert {n: schema.header for n, schema in enumerate(event_schemas(), 1)} == HEADERS
    assert HEADERS[CURRENT] == current_schema().header


def test_importing_it_does_not_import_fastavro():
    code = "import sys, orgtrail_schemas.wire as w; w.event_encoder(); print('fastavro' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_the_encoder_is_compiled_once():
    assert event_encoder() is event_encoder()


def attributes(value):
    """The record as the encoder reads it: fields are attributes, metadata is a dictionary."""
    if isinstance(value, list):
        return [attributes(item) for item in value]
    if not isinstance(value, dict):
        return value
    return SimpleNamespace(**{k: v if k == "metadata" else attributes(v) for k, v in value.items()})


def test_an_ordinary_event_is_encoded_as_by_the_codec():
    given = record(occurred_at=1_768_478_400_000, metadata={"method": "password"})
    assert event_encoder()(attributes(given)) == encode(current_schema(), given)


@pytest.mark.parametrize(
    "changed",
    [
        {"org_id": None}, {"org_id": 5}, {"org_id": b"x"}, {"org_id": "\ud800"},
        {"org_id": "x" * 2048}, {"actor": None}, {"occurred_at": "now"}, {"metadata": {"a": 1}},
    ],
)  # fmt: skip
def test_a_value_that_is_not_covered_raises_and_is_never_written_wrongly(changed):
    event = attributes(record(occurred_at=1_768_478_400_000) | changed)
    with pytest.raises((LookupError, TypeError, AttributeError, ValueError)):
        event_encoder()(event)


def test_a_record_is_framed_for_the_decoder():
    value = encode(current_schema(), record(org_id="globex"))
    frame = read_frame(value)
    assert frame.fingerprint == HEADERS[CURRENT][2:].hex()
    decoded = decode_datum(current_schema(), current_schema(), value[frame.size :])
    assert decoded["org_id"] == "globex"
