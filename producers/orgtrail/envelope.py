"""An event as one Kafka record: the key, the encoded value, and the source of the headers."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from orgtrail.errors import InvalidEventError
from orgtrail.event import Event, as_record
from orgtrail_schemas.limits import MAX_EVENT_BYTES
from orgtrail_schemas.wire import event_encoder

Headers = list[tuple[str, bytes]]

_DEFAULT_SOURCE = "orgtrail"


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """One record to send to Kafka. This is also its format on disk.

    ``ticket`` numbers the records of one process. ``accepted_at`` and ``occurred_at`` are in
    milliseconds since 1970 (UTC). New fields are appended with a default, so that a newer version
    can read a spool that an older version left.
    """

    ticket: int
    accepted_at: int
    key: str
    value: bytes
    event_id: str
    event: str
    source: str
    occurred_at: int
    traceparent: str = ""


def seal(event: Event, ticket: int, accepted_at: int, traceparent: str = "") -> Envelope:
    """Encode an event as a record, keyed by its organization.

    Raises:
        InvalidEventError: the record exceeds the size limit.
    """
    try:
        value = event_encoder()(event)
    except (LookupError, TypeError, AttributeError, ValueError):
        value = _encode_with_fastavro(event)
    # Check the size here rather than in Kafka: the spool must not hold an undeliverable record.
    if len(value) > MAX_EVENT_BYTES:
        raise InvalidEventError("event", f"is larger than {MAX_EVENT_BYTES} bytes")
    return Envelope(
        ticket,
        accepted_at,
        event.org_id,
        value,
        event.event_id,
        event.event,
        event.context.service or _DEFAULT_SOURCE,  # type: ignore[arg-type]
        event.occurred_at,
        traceparent,
    )


def headers(envelope: Envelope) -> Headers:
    """Return the CloudEvents headers (Kafka binding 1.0.2, section 3.2, binary mode)."""
    seconds, milliseconds = divmod(envelope.occurred_at, 1000)
    attributes = [
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope.event_id.encode()),
        ("ce_type", envelope.event.encode()),
        ("ce_source", _uri_reference(envelope.source)),
        ("ce_time", b"%s.%03d+00:00" % (_second(seconds), milliseconds)),
        ("content-type", b"application/avro"),
    ]
    if envelope.traceparent:
        attributes.append(("traceparent", envelope.traceparent.encode()))
    return attributes


@lru_cache(256)
def _second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


@lru_cache(256)
def _uri_reference(source: str) -> bytes:
    # CloudEvents 1.0.2 requires "source" to be a non-empty URI-reference. Service names may
    # contain spaces.
    if source.isascii() and source.isidentifier():
        return source.encode()
    from urllib.parse import quote

    return quote(source, safe="/:@-._~!$&'()*+,;=%").encode()


def _encode_with_fastavro(event: Event) -> bytes:
    from orgtrail_schemas.codec import encode
    from orgtrail_schemas.event_schema import current_schema

    return encode(current_schema(), as_record(event))
