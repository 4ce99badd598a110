"""The 36 event types are exactly those of the reference."""

import csv
from pathlib import Path

from orgtrail_schemas.catalogue import catalogue

REFERENCE = Path(__file__).with_name("event_types.csv")


def test_keys_names_levels_and_order_are_those_of_the_reference():
    with REFERENCE.open(newline="", encoding="utf-8") as file:
        rows = [(row["event"], row["name"], row["level"]) for row in csv.DictReader(file)]
    ours = [(e.key, e.name, e.level) for e in catalogue().events.values() if not e.own]
    assert len(rows) == 36
    assert ours == rows


def test_our_own_types_stand_apart():
    own = [e.key for e in catalogue().events.values() if e.own]
    assert own == ["org.audit-log.viewed", "org.audit-log.exported"]
