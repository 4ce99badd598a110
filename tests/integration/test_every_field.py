"""A raw producer sends every field beyond every rule: each record is shown alike, or set aside."""

from copy import deepcopy

from tests.support.events import datum, record
from tests.support.every_reader import every_reader_agrees
from tests.support.running import eventually

from orgtrail.event_id import new_event_id
from orgtrail_schemas.limits import (
    LIST_LENGTH,
    METADATA_KEY_LENGTH,
    METADATA_KEYS,
    METADATA_VALUE_LENGTH,
    TEXT_LENGTH,
)

ORG = "every-field"
PERSON = {"type": "user", "id": "u-9", "email": "ben@x.example", "name": "Ben"}
BASE = record(
    "org.user.role.updated",
    org_id=ORG,
    impersonator={"type": "support", "id": "s-1", "email": "sam@x.example", "name": "Sam"},
    targets=[PERSON, PERSON | {"id": "u-8", "email": "cleo@x.example"}],
    changes=[{"field": "role", "old": "member", "new": "admin"}],
    context=record()["context"] | {"ip": "8.8.8.8", "session_id": "s", "request_id": "r"},
    metadata={"plan": "free"},
)
TEXTS = {
    "empty": "",
    "blank": " ",
    "odd blanks": "\u00a0x@Y.example\u200b",
    "formula": "=1+41",
    "late formula": "\n@SUM(A1)",
    "control characters": "a\tb\r\nc\x00d\x7f",
    "upper case": "SUCCESS",
    "other scripts": "ÉİŞ 北京 🦊 \u202egnp.exe",
    "markup": "<script>alert(1)</script>&amp;",
    "as long as allowed": "y" * TEXT_LENGTH,
    "too long": "z" * (TEXT_LENGTH + 1),
    "far too long": "w" * 300_000,
}
LISTS = {
    "targets": [[], [PERSON] * LIST_LENGTH, [PERSON] * (LIST_LENGTH + 1)],
    "changes": [
        [{"field": f"f-{n}", "old": None, "new": None} for n in range(count)]
        for count in (0, LIST_LENGTH, LIST_LENGTH + 1)
    ],
    "metadata": [
        {},
        {f"key-{n}": "v" for n in range(METADATA_KEYS)},
        {f"key-{n}": "v" for n in range(METADATA_KEYS + 1)},
        {"k" * METADATA_KEY_LENGTH: "v", "": "w"},
        {"k" * (METADATA_KEY_LENGTH + 1): "v"},
        {"key": "v" * METADATA_VALUE_LENGTH},
        {"key": "v" * (METADATA_VALUE_LENGTH + 1)},
    ],
    "impersonator": [None, dict.fromkeys(PERSON, "")],
}
IDENTITY = ("org_id", "event_id")
"""Texts by which a reader finds the event; those of other forms are set aside."""


def paths(value, path=()):
    """Where the texts of an event are."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        if isinstance(item, str):
            yield (*path, name)
        elif isinstance(item, dict | list):
            yield from paths(item, (*path, name))


def with_value(path, value):
    changed = deepcopy(BASE)
    *folders, name = path
    holder = changed
    for folder in folders:
        holder = holder[folder]
    holder[name] = value
    return changed


def beyond():
    """Every text in every form, and every list in every length; each an event of its own."""
    for path in paths(BASE):
        if path[0] not in IDENTITY:
            yield from (with_value(path, text) for text in TEXTS.values())
    for name, values in LISTS.items():
        yield from (with_value((name,), value) for value in values)


def test_every_reader_shows_the_same_of_what_a_raw_producer_sends(running):
    sent = 0
    for event in beyond():
        running.raw.send(datum(**event | {"event_id": str(new_event_id())}), ORG.encode())
        sent += 1
    assert sent > 250

    def arrived():
        answer = running.get(f"/v1/orgs/{ORG}/events", org=ORG, limit=1).json()
        return len(running.events(ORG, limit=1000)) + answer["set_aside"] == sent

    eventually(arrived, 60)
    events = every_reader_agrees(running, ORG)
    assert len(events) > sent / 2
    reasons = running.sql(
        "SELECT reason, count() FROM audit.dead_letters FINAL WHERE org_id = {org:String}"
        " GROUP BY reason ORDER BY reason",
        org=ORG,
    )
    assert {reason for reason, _ in reasons} == {"invalid_field", "missing_event"}


def test_an_organization_or_id_of_another_form_is_set_aside(running):
    key = "every-identity"
    values = [
        with_value((name,), text)
        for name in IDENTITY
        for text in (*TEXTS.values(), f"{key} ", f" {key}", f"{key}\n", f"{key}\u200b")
    ]
    # These are organizations of their own, not this one's.
    allowed = {"SUCCESS"}
    sent = [value for value in values if value["org_id"] not in allowed]
    for value in sent:
        running.raw.send(datum(**value), key.encode())
    rows = eventually(
        lambda: (
            found
            if len(
                found := running.sql(
                    "SELECT reason FROM audit.dead_letters FINAL WHERE org_id = {org:String}",
                    org=key,
                )
            )
            == len(sent)
            else None
        ),
        30,
    )
    assert {reason for (reason,) in rows} == {
        "invalid_event_id",
        "invalid_field",
        "missing_organization",
    }
    assert running.events(key) == []


def test_the_base_is_an_event_that_needs_no_repair(running):
    org = "every-field-base"
    running.raw.send(datum(**BASE | {"org_id": org}), org.encode())
    (event,) = running.wait_for(org, 1)
    assert event["metadata"] == BASE["metadata"]
