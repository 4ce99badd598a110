"""Test vectors of the wire format, for implementers in other languages.

``python -m tests.support.vectors`` writes ``schemas/orgtrail_schemas/vectors/vN.json``, one file
for each released schema. A version's file is never changed once released, only added to.
"""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro

import orgtrail_schemas
from orgtrail_schemas.event_schema import EventSchema, event_schemas

Event = dict[str, Any]

FOLDER = Path(orgtrail_schemas.__file__).parent / "vectors"
PARTITION_COUNTS = (4, 12)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_CONTEXT = dict.fromkeys(
    ("ip", "user_agent", "request_id", "session_id", "service", "trace_id"), ""
)
_ALICE = {"type": "user", "id": "u-1001", "email": "alice@acme.example", "name": "Alice Moreau"}
_BOB = {"type": "user", "id": "u-1002", "email": "bob@acme.example", "name": "Bob Okafor"}
_SUPPORT = {"type": "support", "id": "s-7", "email": "sam@support.example", "name": "Sam"}
_CONTEXT = {
    "ip": "2001:db8::1",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
    "request_id": "req-0001",
    "session_id": "s-501",
    "service": "accounts",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
}


def named_events() -> dict[str, Event]:
    """The events of the vectors, in the form of the Avro schema, by name."""
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    return {
        "minimal": _event(1, actor=_person("system"), event="org.details.updated"),
        "every field": _event(
            2,
            event="org.user.role.updated",
            actor=_ALICE,
            impersonator=_SUPPORT,
            targets=[_BOB],
            changes=[_change("role", "member", "admin")],
            context=_CONTEXT,
            outcome="failure",
            metadata={"reason": "quarterly review"},
        ),
        "impersonator without email": _event(3, impersonator=_person("support", id="s-7")),
        "null, empty and set old and new values": _event(
            4,
            event="user.profile.updated",
            changes=[
                _change("nickname", None, None),
                _change("phone", None, ""),
                _change("title", "", None),
                _change("city", "", ""),
                _change("name", "Alice", "Alice Moreau"),
            ],
        ),
        "several targets and changes": _event(
            5,
            event="org.user.profile.updated",
            org_id="globex",
            targets=[_ALICE, _BOB, _person("service_account", id="sa-1", name="deploy bot")],
            changes=[_change("name", "A", "B"), _change("locale", "en", "fr")],
        ),
        "64 targets (a count of two bytes)": _event(
            6,
            event="org.user.deleted",
            org_id="initech",
            targets=[_person("user", id=f"u-{number}") for number in range(64)],
        ),
        "letters beyond ASCII, composed and decomposed": _event(
            7,
            org_id="a",
            actor=_person("user", id="u-3", name="Zo\u00eb Zoe\u0308 \u0141ukasz \u4e2d\u6587"),
        ),
        "emoji of several code points": _event(
            8, org_id="ab", actor=_person("user", id="u-4", name=f"Family {family} \U0001f680")
        ),
        "right-to-left text": _event(
            9,
            org_id="abc",
            actor=_person("user", id="u-5", name="\u05d3\u05e0\u05d4 \u0644\u064a\u0644\u0649"),
            metadata={"note": "\u202bRTL\u202c"},
        ),
        "control characters and quotes": _event(
            10, org_id="team:eu.west-1_b@x", metadata={"note": 'a\u0000b\n\t"\\'}
        ),
        "metadata with an empty value": _event(11, org_id="wayne-corp", metadata={"note": ""}),
        "metadata with three keys": _event(
            12, org_id="hooli", metadata={"method": "password", "a": "1", "\u00e9": "2"}
        ),
        "lengths of one and two bytes": _event(
            13,
            context=_NO_CONTEXT | {"request_id": "r" * 63, "session_id": "s" * 64},
            metadata={"note": "n" * 1024},
        ),
        "a length of three bytes": _event(
            14, context=_NO_CONTEXT | {"user_agent": "\u00e9" * 4096}
        ),
        "the first moment of 1970": _event(15, org_id="42", occurred_at=0),
        "a moment before 1970": _event(16, occurred_at=-1),
        "the last moment of the year 9999": _event(17, occurred_at=253_402_300_799_999),
        "no organization yet": _event(18, org_id="unassigned", outcome="denied"),
        "the longest organization id": _event(19, org_id="o" * 128),
    }


def build(version: int, schema: EventSchema) -> dict[str, Any]:
    """The content of a version's file."""
    return {
        "schema": f"audit_event.v{version}.avsc",
        "header_hex": schema.header.hex(),
        "vectors": [
            {
                "name": name,
                "event": event,
                "key": event["org_id"],
                "partition_of": {
                    str(count): partition(event["org_id"].encode(), count)
                    for count in PARTITION_COUNTS
                },
                "headers": headers(event),
                "value_hex": (schema.header + _datum(schema, event)).hex(),
            }
            for name, event in named_events().items()
        ],
        "decode_only": [
            {"name": name, "event": event, "value_hex": (schema.header + datum).hex()}
            for name, (event, datum) in _other_spellings(schema).items()
        ],
    }


def headers(event: Event) -> dict[str, str]:
    """The Kafka headers of a record: the CloudEvents Kafka binding, binary mode."""
    moment = _EPOCH + timedelta(milliseconds=event["occurred_at"])
    return {
        "ce_specversion": "1.0",
        "ce_id": event["event_id"],
        "ce_type": event["event"],
        "ce_source": event["context"]["service"] or "orgtrail",
        "ce_time": moment.isoformat(timespec="milliseconds"),
        "content-type": "application/avro",
    }


def partition(key: bytes, count: int) -> int:
    """Java's choice: ``toPositive(murmur2(key)) % count``."""
    return (_murmur2(key) & 0x7FFFFFFF) % count


def text(content: dict[str, Any]) -> str:
    """A file of vectors as it is written: ASCII, so that no editor turns right-to-left text."""
    return json.dumps(content, indent=1) + "\n"


def _event(number: int, **changed: Any) -> Event:
    moment = 1_768_478_400_000 + number
    return {
        "event_id": f"{moment >> 16:08x}-{moment & 0xFFFF:04x}-7000-8000-{number:012x}",
        "event": "user.login",
        "occurred_at": moment,
        "org_id": "acme",
        "actor": _ALICE,
        "impersonator": None,
        "targets": [],
        "changes": [],
        "context": _NO_CONTEXT,
        "outcome": "success",
        "metadata": {},
    } | changed


def _person(kind: str, **known: str) -> dict[str, str]:
    return {"type": kind, "id": "", "email": "", "name": ""} | known


def _change(field: str, old: str | None, new: str | None) -> dict[str, str | None]:
    return {"field": field, "old": old, "new": new}


def _datum(schema: EventSchema, event: Event) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema.plain, event)
    return out.getvalue()


def _other_spellings(schema: EventSchema) -> dict[str, tuple[Event, bytes]]:
    """Events whose map is not written as one block: Avro allows several spellings of one value."""
    event = _event(20, metadata={"method": "password", "a": "1", "b": "2"})
    # The map is the schema's last field: with no entry its datum ends with a single zero byte.
    start = _datum(schema, event | {"metadata": {}})[:-1]
    entries = [_text(key) + _text(value) for key, value in event["metadata"].items()]
    whole = b"".join(entries)
    return {
        "a map in two blocks": (
            event,
            start + _long(1) + entries[0] + _long(2) + entries[1] + entries[2] + _long(0),
        ),
        "a map block with its size in bytes": (
            event,
            start + _long(-3) + _long(len(whole)) + whole + _long(0),
        ),
    }


def _long(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def _text(value: str) -> bytes:
    data = value.encode()
    return _long(len(data)) + data


def _murmur2(data: bytes) -> int:
    """The 32 bits of Kafka's ``Utils.murmur2``, unsigned."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for number, released in enumerate(event_schemas(), 1):
        (FOLDER / f"v{number}.json").write_text(text(build(number, released)), "ascii")
