"""Normalize: the rules of an event, enforced for every sender.

The SDK checks the same rules, but anybody with a Kafka client can write to the topic. What can be
repaired is repaired, and ``orgtrail.repaired`` in the metadata says so. What cannot is rejected:
nothing is stored that readers cannot show, find or read. Nearly all records need no repair, so the
columns are checked as a whole, and only suspicious rows become Python objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orgtrail_consumers.kafka.batch import Rejected
from orgtrail_consumers.steps.columns import offsets, parents
from orgtrail_consumers.steps.decode import Decoded
from orgtrail_schemas.catalogue import ACTOR_TYPES, OUTCOMES, Catalogue
from orgtrail_schemas.limits import (
    ADDRESS_KEY,
    EVENT_KEY,
    EVENT_LENGTH,
    LIST_LENGTH,
    METADATA_KEY_LENGTH,
    METADATA_KEYS,
    METADATA_VALUE_LENGTH,
    ORG_ID,
    REPAIRED_KEY,
    TEXT_LENGTH,
)
from orgtrail_schemas.repair import BLANKS, address, lower_domain, shorten
from orgtrail_schemas.secret_values import PATTERN as SECRET_PATTERN
from orgtrail_schemas.secret_values import redact_values

_Event = dict[str, Any]
_WAS_LENGTH = 64
_NAMES = ("request_id", "session_id", "service", "trace_id")
_CONTEXT = ("user_agent", *_NAMES)
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"\A{_BYTE}(\.{_BYTE}){{3}}\z"
"""The canonical form of an IPv4 address: four numbers up to 255 without leading zeros."""


class InvalidFieldError(Exception):
    """The event breaks a rule that no repair satisfies. The text names the field, not its value."""


def normalize(decoded: Decoded, known: Catalogue) -> Decoded:
    """The decoded events, repaired; those that break a rule move to ``rejected``."""
    suspicious = _suspicious(decoded.columns, known)
    if not pc.any(suspicious).as_py():
        return decoded
    plain = pc.invert(suspicious)
    schema = decoded.columns.schema
    positions = decoded.positions.filter(suspicious).to_pylist()
    fingerprints = decoded.fingerprints.filter(suspicious).to_pylist()
    rejected = list(decoded.rejected)
    events: list[_Event] = []
    kept: list[tuple[int, str]] = []
    for position, fingerprint, event in zip(
        positions, fingerprints, decoded.columns.filter(suspicious).to_pylist(), strict=True
    ):
        try:
            events.append(repair(event, known))
            kept.append((position, fingerprint))
        except InvalidFieldError as error:
            rejected.append(Rejected(position, "invalid_field", str(error)))
    repaired = pa.RecordBatch.from_pylist(events, schema=schema)
    return Decoded(
        pa.concat_batches([decoded.columns.filter(plain), repaired]),
        pa.concat_arrays(
            [decoded.positions.filter(plain), pa.array([p for p, _ in kept], pa.int64())]
        ),
        pa.concat_arrays(
            [decoded.fingerprints.filter(plain), pa.array([f for _, f in kept], pa.string())]
        ),
        rejected,
    )


def repair(event: _Event, known: Catalogue) -> _Event:
    """The event with every rule satisfied.

    Raises:
        InvalidFieldError: a rule cannot be satisfied.
    """
    repairs: list[str] = []
    metadata = _metadata(event["metadata"], repairs)
    key = _word(event["event"], "event", repairs)
    if len(key) > EVENT_LENGTH or (key and not EVENT_KEY.fullmatch(key)):
        raise InvalidFieldError("event: must be a key such as user.login, in lower case")
    if event["org_id"] and not ORG_ID.fullmatch(event["org_id"]):
        # Not repaired: an event must not appear in the log of an organization that was only meant.
        raise InvalidFieldError("org_id: must be letters, digits or . _ : @ -")
    actor = _actor(event["actor"], "actor", repairs)
    targets = [
        _person(target, f"targets[{index}]", repairs)
        for index, target in enumerate(_bounded(event["targets"], "targets"))
    ]
    listed = known.events.get(key)
    if not targets and listed is not None and listed.about_actor:
        targets = [actor]
    fixed = event | {
        "event": key,
        "outcome": _one_of(OUTCOMES, event["outcome"], "outcome", repairs),
        "actor": actor,
        "impersonator": _impersonator(event["impersonator"], repairs),
        "targets": targets,
        "changes": [
            _change(change, f"changes[{index}]", repairs)
            for index, change in enumerate(_bounded(event["changes"], "changes"))
        ],
        "context": _context(event["context"], metadata, repairs),
    }
    if repairs:
        marks = [metadata[REPAIRED_KEY]] if REPAIRED_KEY in metadata else []
        metadata[REPAIRED_KEY] = "; ".join([*marks, *repairs])[:METADATA_VALUE_LENGTH]
    return fixed | {"metadata": list(metadata.items())}


def _suspicious(columns: pa.RecordBatch, known: Catalogue) -> pa.BooleanArray:
    """Rows that may break a rule. It is exact enough if it never misses one that does."""
    count = columns.num_rows
    checks = [
        _distinct(columns["outcome"], lambda text: text not in OUTCOMES),
        _distinct(columns["event"], lambda key: not _is_key(key)),
        _distinct(columns["org_id"], lambda org: not ORG_ID.fullmatch(org)),
        _odd_address(pc.struct_field(columns["context"], "ip")),
        *(_bad_actor(columns[name]) for name in ("actor", "impersonator")),
        _any_of(columns["targets"], LIST_LENGTH, _bad_person(columns["targets"].flatten())),
        _any_of(columns["changes"], LIST_LENGTH, _bad_change(columns["changes"].flatten())),
        _any_of(columns["metadata"], METADATA_KEYS, _bad_pair(columns["metadata"])),
        _long(pc.struct_field(columns["context"], "user_agent")),
        *(_blank_or_long(pc.struct_field(columns["context"], name)) for name in _NAMES),
        *(_secret(pc.struct_field(columns["context"], name)) for name in _CONTEXT),
    ]
    about_actor = {key for key, entry in known.events.items() if entry.about_actor}
    nobody = pc.equal(pc.list_value_length(columns["targets"]), 0)
    checks.append(pc.and_(nobody, _distinct(columns["event"], about_actor.__contains__)))
    found = pa.repeat(pa.scalar(False), count)
    for check in checks:
        found = pc.or_(found, pc.fill_null(check, True))
    return found


def _distinct(column: pa.Array, is_bad: Callable[[str], bool]) -> pa.BooleanArray:
    encoded = column.dictionary_encode()
    verdicts = pa.array([is_bad(text) for text in encoded.dictionary.to_pylist()], pa.bool_())
    return verdicts.take(encoded.indices)


def _is_key(key: str) -> bool:
    return len(key) <= EVENT_LENGTH and EVENT_KEY.fullmatch(key) is not None


def _odd_address(addresses: pa.Array) -> pa.BooleanArray:
    """Rows whose address is neither empty nor in canonical form. Usual ones need no Python."""
    usual = pc.or_(pc.equal(addresses, ""), pc.match_substring_regex(addresses, _IPV4))
    if pc.all(usual).as_py():
        return pc.invert(usual)
    return _distinct(addresses, lambda ip: ip != "" and address(ip) != ip)


def _secret(texts: pa.Array) -> pa.BooleanArray:
    """Rows with a credential. Most columns of a batch repeat few texts: search each text once."""
    encoded = texts.dictionary_encode()
    found = pc.match_substring_regex(encoded.dictionary, SECRET_PATTERN)
    return found.take(encoded.indices)


def _long(texts: pa.Array, length: int = TEXT_LENGTH) -> pa.BooleanArray:
    # Bytes: never fewer than characters.
    return pc.greater(pc.binary_length(texts), length)


def _blank_or_long(texts: pa.Array) -> pa.BooleanArray:
    trimmed = pc.utf8_trim(texts, characters=BLANKS)
    return pc.or_(pc.or_(pc.not_equal(trimmed, texts), _long(texts)), _nul(texts))


def _nul(texts: pa.Array) -> pa.BooleanArray:
    return pc.match_substring(texts, "\x00")


def _bad_texts(person: pa.StructArray) -> pa.BooleanArray:
    email = pc.struct_field(person, "email")
    bad = pc.or_(_blank_or_long(email), _blank_or_long(pc.struct_field(person, "id")))
    bad = pc.or_(bad, pc.not_equal(pc.ascii_lower(email), email))
    return pc.or_(bad, _long(pc.struct_field(person, "name")))


def _bad_actor(actor: pa.StructArray) -> pa.BooleanArray:
    kind = pc.struct_field(actor, "type")
    unknown = pc.invert(pc.is_in(kind, pa.array(ACTOR_TYPES)))
    names = pc.add(
        pc.binary_length(pc.struct_field(actor, "id")),
        pc.binary_length(pc.struct_field(actor, "email")),
    )
    nobody = pc.and_(pc.equal(names, 0), pc.not_equal(kind, "system"))
    bad = pc.or_(pc.or_(unknown, nobody), _bad_texts(actor))
    return pc.if_else(actor.is_valid(), pc.fill_null(bad, True), False)


def _bad_person(person: pa.StructArray) -> pa.BooleanArray:
    kind = pc.struct_field(person, "type")
    return pc.or_(pc.or_(pc.equal(kind, ""), _long(kind)), _bad_texts(person))


def _bad_change(change: pa.StructArray) -> pa.BooleanArray:
    name = pc.struct_field(change, "field")
    bad = pc.or_(pc.equal(name, ""), _long(name))
    for side in ("old", "new"):
        value = pc.struct_field(change, side)
        found = pc.or_(_long(value), pc.match_substring_regex(value, SECRET_PATTERN))
        bad = pc.or_(bad, pc.fill_null(found, False))
    return bad


def _bad_pair(metadata: pa.MapArray) -> pa.BooleanArray:
    start, count = metadata.offsets[0].as_py(), offsets(metadata)[-1].as_py()
    keys, items = metadata.keys.slice(start, count), metadata.items.slice(start, count)
    key_length = pc.binary_length(keys)
    bad = pc.or_(pc.greater(key_length, METADATA_KEY_LENGTH), pc.equal(key_length, 0))
    bad = pc.or_(bad, pc.match_substring_regex(items, SECRET_PATTERN))
    return pc.or_(bad, _long(items, METADATA_VALUE_LENGTH))


def _any_of(lists: pa.Array, most: int, bad: pa.BooleanArray) -> pa.BooleanArray:
    """Rows whose list has more than ``most`` items, or one that is bad or null."""
    bounds = offsets(lists)
    too_long = pc.greater(pc.subtract(bounds[1:], bounds[:-1]), most)
    bad = pc.fill_null(bad, True)
    if not pc.any(bad).as_py():
        return too_long
    rows = pc.unique(parents(lists).filter(bad)).cast(pa.int64())
    return pc.or_(too_long, pc.is_in(pa.array(range(len(lists)), pa.int64()), rows))


def _word(value: str, field: str, repairs: list[str]) -> str:
    word = value.strip(BLANKS).lower()
    if word != value:
        # What was sent stays visible.
        repairs.append(f"{field}: was {value[:_WAS_LENGTH]!r}")
    return word


def _one_of(choices: tuple[str, ...], value: str, field: str, repairs: list[str]) -> str:
    if value in choices:
        return value
    word = _word(value, field, repairs)
    if word not in choices:
        raise InvalidFieldError(f"{field}: must be one of {', '.join(choices)}")
    return word


def _bounded(items: list[_Event], field: str) -> list[_Event]:
    if len(items) > LIST_LENGTH:
        raise InvalidFieldError(f"{field}: must have at most {LIST_LENGTH} items")
    return items


def _shown(value: str, length: int, field: str, repairs: list[str]) -> str:
    redacted = redact_values(value)
    if redacted != value:
        repairs.append(f"{field}: credential redacted")
    return shorten(redacted, length, field, repairs)


def _without_nul(value: str, field: str, repairs: list[str]) -> str:
    """No query parameter can hold a NUL, so nobody could filter by such a value."""
    if "\x00" not in value:
        return value
    repairs.append(f"{field}: NUL replaced")
    return value.replace("\x00", "\ufffd")


def _trimmed(value: str, field: str, repairs: list[str]) -> str:
    trimmed = value.strip(BLANKS)
    if trimmed != value:
        repairs.append(f"{field}: blanks removed")
    return shorten(_without_nul(trimmed, field, repairs), TEXT_LENGTH, field, repairs)


def _texts(person: _Event, field: str, repairs: list[str]) -> _Event:
    return {
        "id": _trimmed(person["id"], f"{field}.id", repairs),
        "email": lower_domain(_trimmed(person["email"], f"{field}.email", repairs)),
        "name": shorten(person["name"], TEXT_LENGTH, f"{field}.name", repairs),
    }


def _actor(actor: _Event, field: str, repairs: list[str]) -> _Event:
    kind = _one_of(ACTOR_TYPES, actor["type"], f"{field}.type", repairs)
    fixed = {"type": kind, **_texts(actor, field, repairs)}
    if not fixed["id"] and not fixed["email"] and kind != "system":
        repairs.append(f"{field}: neither id nor email")
        fixed["id"] = "unknown"
    return fixed


def _impersonator(person: _Event | None, repairs: list[str]) -> _Event | None:
    """Absent only if nothing is said about them: one empty field does not hide a person."""
    if person is None or not any(person.values()):
        return None
    if not person["type"].strip(BLANKS):
        repairs.append("impersonator.type: missing")
        person = person | {"type": "user"}
    return _actor(person, "impersonator", repairs)


def _person(person: _Event, field: str, repairs: list[str]) -> _Event:
    kind = shorten(person["type"].strip(BLANKS), TEXT_LENGTH, f"{field}.type", repairs)
    if not kind:
        repairs.append(f"{field}.type: missing")
    return {"type": kind or "unknown", **_texts(person, field, repairs)}


def _change(change: _Event, field: str, repairs: list[str]) -> _Event:
    name = shorten(change["field"], TEXT_LENGTH, f"{field}.field", repairs)
    if not name:
        repairs.append(f"{field}.field: missing")
    sides = {
        side: None
        if change[side] is None
        else _shown(change[side], TEXT_LENGTH, f"{field}.{side}", repairs)
        for side in ("old", "new")
    }
    return {"field": name or "unknown", **sides}


def _context(context: _Event, metadata: dict[str, str], repairs: list[str]) -> _Event:
    texts = {name: _trimmed(context[name], f"context.{name}", repairs) for name in _NAMES}
    texts["user_agent"] = context["user_agent"]
    fixed = {
        name: _shown(texts[name], TEXT_LENGTH, f"context.{name}", repairs) for name in _CONTEXT
    }
    raw = context["ip"]
    canonical = address(raw) if raw else ""
    if canonical != raw:
        # The address as it was sent stays visible.
        metadata[ADDRESS_KEY] = raw[:METADATA_VALUE_LENGTH]
        repairs.append("context.ip: " + ("not an address" if canonical is None else "normalized"))
    return {"ip": canonical or "", **fixed}


def _metadata(items: list[tuple[str, str]], repairs: list[str]) -> dict[str, str]:
    """Of equal keys the last counts."""
    metadata = dict(items)
    fixed: dict[str, str] = {}
    for key, value in metadata.items():
        # Room for the two keys that say what was repaired.
        if len(fixed) >= METADATA_KEYS and key not in (REPAIRED_KEY, ADDRESS_KEY):
            repairs.append(f"metadata: cut to {METADATA_KEYS} keys")
            break
        name = shorten(key, METADATA_KEY_LENGTH, "metadata", repairs) or "unknown"
        fixed[name] = _shown(value, METADATA_VALUE_LENGTH, f"metadata.{name}", repairs)
    return fixed
