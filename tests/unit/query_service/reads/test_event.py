from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from tests.support.api_rows import row

from orgtrail_query_service.reads.event import Actor, Change, Event, Source, Target, event_from_row
from orgtrail_query_service.reads.search import Place
from orgtrail_schemas.catalogue import catalogue
from orgtrail_schemas.tables import event_columns

AT = datetime(2026, 11, 23, 12, 0, 0, 7000, tzinfo=UTC)
ID = UUID(int=1)


def event(**columns):
    return event_from_row(row(AT, ID, **columns))


def test_times_of_the_driver_are_in_utc():
    found = event(received_at=datetime(2026, 1, 2), ingested_at=datetime(2026, 1, 3))
    assert (found.occurred_at, found.place) == (AT, Place(AT, ID))
    assert found.received_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert found.ingested_at == datetime(2026, 1, 3, tzinfo=UTC)


def test_actor_and_impersonator_are_not_mixed_up():
    names = ("type", "id", "email", "name")
    columns = {f"{who}_{n}": f"{who} {n}" for who in ("actor", "impersonator") for n in names}
    found = event(**columns)
    assert found.actor == Actor("actor type", "actor id", "actor email", "actor name")
    assert found.impersonator == Actor(*(f"impersonator {n}" for n in names))


@pytest.mark.parametrize("name", ["type", "id", "email", "name"])
def test_whatever_is_known_of_an_impersonator_is_shown(name):
    found = event(**{f"impersonator_{name}": "x"}).impersonator
    assert found == Actor(**{n: "x" if n == name else "" for n in Actor.__struct_fields__})


def test_without_any_field_nobody_impersonates():
    assert event().impersonator is None


def test_targets_and_changes_are_put_together_by_their_place():
    found = event(**{
        "targets.type": ["user", "group"], "targets.id": ["1", "2"],
        "targets.email": ["a@x", ""], "targets.name": ["", "B"],
        "changes.field": ["role", "secret"], "changes.old": [None, "[redacted]"], "changes.new": ["", None],
    })  # fmt: skip
    assert found.targets == [Target("user", "1", "a@x", ""), Target("group", "2", "", "B")]
    assert found.changes == [Change("role", None, ""), Change("secret", "[redacted]", None)]


@pytest.mark.parametrize("name", ["targets.id", "changes.new"])
def test_arrays_of_unequal_length_are_not_cut(name):
    with pytest.raises(ValueError, match="zip"):
        event(**{name: ["1"]})


@pytest.mark.parametrize("change", [lambda r: r[:-1], lambda r: (*r, "more")])
def test_a_row_with_other_columns_is_refused(change):
    with pytest.raises(ValueError, match="zip"):
        event_from_row(change(row(AT, ID)))


def test_every_text_is_shown():
    kinds = {c.name: c.type for c in event_columns() if not c.computed}
    texts = {n: f"<{n}>" for n, kind in kinds.items() if kind.endswith("String")}
    texts |= {n: f"<{n}>" for n, kind in kinds.items() if kind == "LowCardinality(String)"}
    answer = msgspec.json.encode(event(**texts)).decode()
    assert len(texts) > 15
    assert [name for name, text in texts.items() if f'"{text}"' not in answer] == []


def test_the_answer_can_be_read_back_whole():
    found = event(
        kafka_topic="audit.events.v1",
        kafka_partition=3,
        kafka_offset=2**40,
        metadata={"a": "b"},
        event="shop.order.paid",
    )
    assert found.source == Source("audit.events.v1", 3, 2**40)
    assert (found.metadata, found.listed) == ({"a": "b"}, False)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Event) == found


def test_the_name_is_that_of_the_catalogue_and_of_an_unlisted_event_its_key():
    known, unknown = event(event="user.login"), event(event="shop.order.paid")
    assert (known.event_name, known.listed) == (catalogue().events["user.login"].name, True)
    assert (unknown.event_name, unknown.listed) == ("shop.order.paid", False)
