from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from tests.support.batches import NOW_MS, RESOLVERS, batch, decode, find_current
from tests.support.events import datum

from orgtrail_consumers.steps.enrich import enrich
from orgtrail_schemas.catalogue import REDACTED
from orgtrail_schemas.tables import event_columns

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)


def run(*values, first_offset=0):
    given = batch(*values, first_offset=first_offset)
    decoded = decode([r.value for r in given.records], find_current)
    return enrich(decoded, given, RESOLVERS, NOW_MS)


def test_rows_have_the_columns_of_the_table():
    derived_when_read = {"event_name", "listed"}
    assert set(run(datum()).rows.column_names) == {
        c.name for c in event_columns() if c.name not in derived_when_read
    }


def test_a_record_becomes_a_row():
    context = {
        "ip": "80.67.169.12",
        "user_agent": "curl/8",
        "request_id": "r",
        "session_id": "s",
        "service": "accounts",
        "trace_id": "",
    }
    support = {"type": "support", "id": "s-1", "email": "sam@x", "name": ""}
    row = run(datum(context=context, impersonator=support), first_offset=7).rows.to_pylist()[0]
    assert (row["country"], row["browser"]) == ("FR", "curl")
    assert (row["kafka_offset"], row["kafka_partition"]) == (7, 0)
    assert (row["level"], row["impersonator_email"]) == ("user", "sam@x")
    assert row["received_at"] == row["ingested_at"] == NOW
    assert row["targets.email"] == ["alice@acme.example"]


def test_without_an_impersonator_its_columns_are_empty():
    row = run(datum()).rows.to_pylist()[0]
    assert {row[f"impersonator_{n}"] for n in ("type", "id", "email", "name")} == {""}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"org_id": ""}, "missing_organization"),
        ({"event": ""}, "missing_event"),
        ({"event_id": "42"}, "invalid_event_id"),
        ({"occurred_at": NOW + timedelta(minutes=6)}, "implausible_time"),
        ({"occurred_at": NOW - timedelta(days=90, minutes=1)}, "implausible_time"),
    ],
)
def test_what_cannot_be_stored_is_set_aside_and_its_neighbours_are_not(changed, reason):
    enriched = run(datum(), datum(**changed), datum())
    assert [(r.position, r.reason) for r in enriched.rejected] == [(1, reason)]
    assert enriched.rows["kafka_offset"].to_pylist() == [0, 2]


@pytest.mark.parametrize("moment", [NOW + timedelta(minutes=4), NOW - timedelta(days=89, hours=23)])
def test_times_within_the_bounds_are_plausible(moment):
    assert run(datum(occurred_at=moment)).rows.num_rows == 1


def test_secrets_are_redacted_whoever_sent_them():
    changes = [
        {"field": "password", "old": None, "new": "hunter2"},
        {"field": "role", "old": "a", "new": "b"},
    ]
    row = run(
        datum("org.user.role.updated", changes=changes, metadata={"token": "hunter2", "note": "x"})
    ).rows.to_pylist()[0]
    assert row["changes.old"] == [None, "a"]
    assert row["changes.new"] == [REDACTED, "b"]
    assert dict(row["metadata"]) == {"token": REDACTED, "note": "x"}


def test_in_an_unlisted_event_everything_undeclared_is_secret():
    changes = [{"field": "x", "old": "hunter2", "new": "hunter3"}]
    rows = run(datum("shop.pin.set", changes=changes, metadata={"y": "hunter4"}), datum())
    row = rows.rows.to_pylist()[0]
    assert "hunter" not in repr(row)
    assert row["level"] == "other"


def test_rows_keep_their_own_lists_after_a_neighbour_was_set_aside():
    one = [{"field": "role", "old": "1", "new": "2"}]
    two = [{"field": "role", "old": "3", "new": "4"}, {"field": "name", "old": "5", "new": "6"}]
    rows = run(
        datum("org.user.role.updated", changes=one, metadata={"a": "1"}),
        datum(org_id="", changes=two),
        datum("org.user.role.updated", changes=two, metadata={"b": "2"}),
    ).rows.to_pylist()
    assert [r["changes.new"] for r in rows] == [["2"], ["4", "6"]]
    assert [dict(r["metadata"]) for r in rows] == [{"a": "1"}, {"b": "2"}]


def test_no_rows_at_all():
    enriched = run(b"junk")
    assert enriched.rows.num_rows == 0


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("org_id", "missing_organization"),
        ("event", "missing_event"),
        ("event_id", "invalid_event_id"),
        ("occurred_at", "implausible_time"),
        ("outcome", "malformed"),
    ],
)
def test_what_a_writers_schema_lets_be_null_is_set_aside(column, reason):
    """A registry's schema may allow what ours does not; a default would stand for what was lost."""
    given = batch(datum(), datum())
    decoded = decode([r.value for r in given.records], find_current)
    values = decoded.columns[column].to_pylist()
    place = decoded.columns.schema.get_field_index(column)
    kind = pa.field(column, decoded.columns[column].type)
    columns = decoded.columns.set_column(place, kind, pa.array([None, values[1]], kind.type))
    found = enrich(decoded._replace(columns=columns), given, RESOLVERS, NOW_MS)
    assert [(item.position, item.reason) for item in found.rejected] == [(0, reason)]
    assert found.rows["kafka_offset"].to_pylist() == [1]
