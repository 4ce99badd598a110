"""Producers in five languages and tools send varied events; every reader shows each field."""

import json
import random
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from tests.support.every_reader import every_reader_agrees
from tests.support.foreign import Kcat, PythonAvro
from tests.support.languages import LANGUAGES, Program, missing_tools

from orgtrail.event_id import new_event_id
from orgtrail_schemas.catalogue import ACTOR_TYPES, OUTCOMES, catalogue

EVENTS = 50
SERVICES = [key for key, entry in catalogue().events.items() if not entry.own]
TEXTS = ["", "a", "Zoë", "北京 🦊", "=1+41", "'quoted' \"twice\", comma", "two\nlines", "x" * 900]
ADDRESSES = ["", "8.8.8.8", "203.0.113.7", "2001:db8::1", "193.0.6.139"]


def _program(language):
    if missing := missing_tools(language):
        pytest.skip(f"{', '.join(missing)} not installed on this machine")
    return Program(language)


def _kcat():
    if not Kcat.is_installed():
        pytest.skip("kcat is not installed on this machine")
    return Kcat()


# Programs that are compiled first run with ``make integration``.
PRODUCERS = [
    pytest.param(PythonAvro, id="python-avro"),
    pytest.param(_kcat, id="kcat", marks=pytest.mark.long),
    *(
        pytest.param(
            lambda language=language: _program(language),
            id=language.name,
            marks=[] if language.name == "node" else [pytest.mark.long],
        )
        for language in LANGUAGES
    ),
]


def varied(org):
    """Events with every field, in the form in which readers show them; the same for each run."""
    choose = random.Random(zlib.crc32(org.encode()))
    now = datetime.now(UTC).replace(microsecond=0)

    def person(n, kinds):
        email = f"person-{n}@{org}.example"
        return {
            "type": choose.choice(kinds),
            "id": choose.choice([f"id-{n}", f"ID {n}, é"]),
            "email": choose.choice(["", email, f"Person-{n}@{org}.example"]),
            "name": choose.choice(TEXTS),
        }

    def event(number):
        return {
            "event_id": str(new_event_id()),
            "occurred_at": (now - timedelta(minutes=number)).isoformat(timespec="milliseconds"),
            "org_id": org,
            "event": choose.choice(SERVICES),
            "outcome": choose.choice(OUTCOMES),
            "actor": person(number % 7, ACTOR_TYPES),
            "impersonator": choose.choice([None, person(7 + number % 3, ACTOR_TYPES)]),
            "targets": [
                person(10 + number % 5 + n, ("user", "team", "invoice"))
                for n in range(1 + number % 4)
            ],
            "changes": [
                {
                    "field": f"field-{n}",
                    "old": choose.choice([None, *TEXTS]),
                    "new": choose.choice([None, *TEXTS]),
                }
                for n in range(number % 6)
            ],
            "context": {
                "ip": choose.choice(ADDRESSES),
                "user_agent": choose.choice(["", "curl/8.5.0", "Mozilla/5.0 é", "x" * 700]),
                "request_id": f"r-{number}",
                "session_id": choose.choice(["", "s-1", "s-2"]),
                "service": choose.choice(["accounts", "billing"]),
                "trace_id": choose.choice(["", "4bf92f3577b34da6a3ce929d0e0e4736"]),
            },
            "metadata": {f"note-{n}": choose.choice(TEXTS) for n in range(number % 5)},
        }

    return [event(number) for number in range(EVENTS)]


@pytest.mark.parametrize("make", PRODUCERS)
def test_every_field_of_varied_events_arrives(running, make):
    producer = make()
    org = f"foreign-{producer.name}"
    sent = varied(org)
    producer.send(running.stack.brokers, [json.dumps(event) for event in sent])
    running.wait_for(org, EVENTS)
    found = every_reader_agrees(running, org, people=12)
    assert [event["event_id"] for event in found] == [event["event_id"] for event in sent]
    for given, shown in zip(map(as_shown, sent), map(without_added, found), strict=True):
        assert shown == given


def as_shown(event):
    return event | {"occurred_at": datetime.fromisoformat(event["occurred_at"])}


def without_added(event):
    """The fields that the sender gave; the rest was added by the consumer."""
    given = as_shown({name: event[name] for name in as_given()})
    names = as_given()["context"]
    return given | {"context": {name: event["context"][name] for name in names}}


@cache
def as_given():
    return varied("any")[0]
