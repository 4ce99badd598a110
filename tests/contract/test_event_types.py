"""The catalogue contains the event types of the reference."""

import csv
from pathlib import Path

from orgtrail_schemas.catalogue import catalogue

REFERENCE = Path(__file__).with_name("event_types.csv")


def test_the_types_of_the_reference_are_there_with_their_names_levels_and_order():
    with REFERENCE.open(newline="", encoding="utf-8") as file:
        rows = [(row["event"], row["name"], row["level"]) for row in csv.DictReader(file)]
    ours = [(e.key, e.name, e.level) for e in catalogue().events.values()]
    assert len(rows) == 36
    assert [row for row in ours if row in rows] == rows


def test_our_own_types_stand_apart():
    own = {e.key for e in catalogue().events.values() if e.own}
    assert {"org.audit-log.viewed", "org.audit-log.exported"} <= own
    assert all(key.startswith("org.audit-log.") for key in own)
