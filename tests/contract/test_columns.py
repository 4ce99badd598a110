"""A stored column is added in three places; every other place that must know it is named here."""

import json
import re
from datetime import datetime
from importlib.resources import files
from uuid import UUID

import msgspec
from tests.support.api_rows import row
from tests.support.batches import NOW_MS, RESOLVERS, batch, decode, find_current
from tests.support.events import datum

from orgtrail_consumers.steps.enrich import enrich
from orgtrail_query_service.reads.event import Event, event_from_row
from orgtrail_schemas.event_schema import current_schema
from orgtrail_schemas.tables import event_columns, migrations_folder, view_statements

STORED = [c.name for c in event_columns() if not c.computed]
OURS = {"level", "country", "browser", "os", "device", "received_at", "ingested_at", "kafka_topic",
        "kafka_partition", "kafka_offset", "schema_fingerprint"}  # fmt: skip
"""Columns that the consumer adds; all others come from the record."""


def test_the_consumer_fills_every_stored_column():
    given = batch(datum())
    decoded = decode([record.value for record in given.records], find_current)
    rows = enrich(decoded, given, RESOLVERS, NOW_MS).rows
    assert rows.column_names == STORED


def test_the_table_has_every_stored_column():
    text = "\n".join(path.read_text() for path in sorted(migrations_folder().iterdir()))
    table = text[text.index("audit.events_store") :]
    for name in STORED:
        parent = name.partition(".")[0]
        assert re.search(rf"^\s*(ADD COLUMN )?`?{parent}`? ", table, re.MULTILINE), name


def test_the_view_has_every_column():
    (events,) = view_statements(None)
    for column in event_columns():
        assert f"`{column.name}` {column.type}" in events


def test_every_column_of_a_record_is_a_field_of_the_avro_schema():
    fields = dict(leaves(json.loads(current_schema().plain_json), {}))
    for name in set(STORED) - OURS:
        assert avro_name(name) in fields, name
    assert len(fields) == len(set(STORED) - OURS)


def test_the_api_shows_every_column():
    event = event_from_row(row(datetime(2026, 11, 23), UUID(int=1), impersonator_type="user"))
    shown = {name for name, _ in flat(msgspec.to_builtins(event, builtin_types=(datetime,)))}
    shown |= {f"{part}.{n}" for part, n in (("targets", "x"), ("changes", "x"))}
    for name in (c.name for c in event_columns()):
        assert api_name(name) in shown or name.partition(".")[0] in ("targets", "changes"), name


def test_exports_of_objects_are_the_apis_events():
    sql = files("orgtrail_query_service.reads").joinpath("export_objects.sql").read_text()
    select = sql[sql.index("SELECT") + 6 : sql.index("FROM audit.events")]
    names = [re.search(r"(\w+),?$", line.strip())[1] for line in select.strip().split("\n")]
    assert names == list(Event.__struct_fields__)


def leaves(schema, named, path=""):
    """Each field that is not a record, by its path."""
    if isinstance(schema, list):
        (schema,) = [kind for kind in schema if kind != "null"]
    schema = named.get(schema, schema) if isinstance(schema, str) else schema
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        named[schema["name"]] = named[schema["name"].rpartition(".")[2]] = schema
        for field in schema["fields"]:
            yield from leaves(field["type"], named, f"{path}.{field['name']}".strip("."))
    elif kind == "array":
        yield from leaves(schema["items"], named, path)
    else:
        yield path, kind


def avro_name(column):
    for part in ("actor", "impersonator"):
        if column.startswith(f"{part}_"):
            return column.replace("_", ".", 1)
    context = ("ip", "user_agent", "request_id", "session_id", "service", "trace_id")
    return f"context.{column}" if column in context else column


def api_name(column):
    if column.startswith("kafka_"):
        return column.replace("kafka_", "source.")
    derived = ("country", "browser", "os", "device")
    return f"context.{column}" if column in derived else avro_name(column)


def flat(value, path=""):
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{path}.{name}".strip("."))
    else:
        yield path, value
