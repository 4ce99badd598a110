"""Any schema that Avro calls compatible is read, at every depth, as fastavro resolves it."""

import copy
import io

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.batches import decode, find_current
from tests.support.events import record

from orgtrail_schemas.event_schema import EventSchema, current_schema

CURRENT = current_schema()


def fields_of(definition, name):
    """The list of fields of the record that a top-level field holds; "" is the event's own."""
    if not name:
        return definition["fields"]
    (kind,) = [f["type"] for f in definition["fields"] if f["name"] == name]
    kind = kind["items"] if kind["type"] == "array" else kind
    return kind["fields"]


def has_default(name):
    return [f["name"] for f in fields_of(CURRENT.definition, name) if "default" in f]


PARTS = ("", "actor", "targets", "changes", "context")
REMOVABLE = [(part, name) for part in PARTS for name in has_default(part)
             if (part, name) not in (("", "impersonator"), ("", "targets"))]  # fmt: skip


def without(removed, *, reverse=False, extra=(), nullable=()):
    definition = copy.deepcopy(CURRENT.definition)
    for part in PARTS:
        if part and ("", part) in removed:
            continue
        fields = fields_of(definition, part)
        fields[:] = [f for f in fields if (part, f["name"]) not in removed]
        for field in fields:
            if (part, field["name"]) in nullable and field["type"] == "string":
                field["type"] = ["null", "string"]
                field.pop("default", None)
        if part in extra:
            fields.append({"name": "tenant", "type": ["null", "int"], "default": None})
        # The event's own fields keep their order: the type Actor is defined where it occurs first.
        if reverse and part:
            fields.reverse()
    definition["fields"] = [f for f in definition["fields"] if ("", f["name"]) not in removed]
    return EventSchema(definition)


def written(schema, item):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema.plain, item)
    return schema.header + out.getvalue()


def plain(**changed):
    item = record(**changed)
    item["occurred_at"] = int(item["occurred_at"].timestamp() * 1000)
    item["event_id"] = str(item["event_id"])
    return item


def resolved_by_fastavro(schema, value):
    return fastavro.schemaless_reader(io.BytesIO(value[10:]), schema.plain, CURRENT.plain)


def rows(decoded):
    return [row | {"metadata": dict(row["metadata"])} for row in decoded.columns.to_pylist()]


FULL = plain(
    targets=[{"type": "user", "id": "u-2", "email": "bob@acme.example", "name": "Bob"}] * 2,
    changes=[{"field": "role", "old": None, "new": "admin"}],
    impersonator={"type": "support", "id": "s-7", "email": "", "name": "Sam"},
    metadata={"a": "b"},
)


@settings(max_examples=150, deadline=None)
@given(
    st.sets(st.sampled_from(REMOVABLE)),
    st.booleans(),
    st.sets(st.sampled_from(PARTS)),
    st.lists(st.sampled_from([FULL, plain()]), min_size=1, max_size=4),
)
def test_it_is_what_fastavro_resolves(removed, reverse, extra, items):
    schema = without(removed, reverse=reverse, extra=extra)
    values = [written(schema, item) for item in items]
    decoded = decode(values, lambda _frame: schema)
    assert decoded.rejected == []
    assert rows(decoded) == [resolved_by_fastavro(schema, value) for value in values]


def test_a_record_without_fields_is_resolved_too():
    """The Arrow decoder has no such columns, so fastavro decodes these."""
    schema = without({("context", name) for name in has_default("context")})
    decoded = decode([written(schema, FULL), written(schema, FULL) + b"x"], lambda _frame: schema)
    assert [r.position for r in decoded.rejected] == [1]
    assert rows(decoded) == [FULL | {"context": dict.fromkeys(FULL["context"], "")}]


@pytest.mark.parametrize("part", ["actor", "targets", "context"])
@pytest.mark.parametrize("null", [True, False])
def test_an_optional_text_that_a_library_writes_as_null_is_empty(part, null):
    names = has_default(part)
    schema = without((), nullable=[(part, name) for name in names])
    item = copy.deepcopy(FULL)
    (one, *_) = item[part] if part == "targets" else [item[part]]
    if null:
        one |= dict.fromkeys(names)
    decoded = decode([written(schema, item), written(schema, FULL)], lambda _frame: schema)
    assert decoded.rejected == []
    first, second = rows(decoded)
    (shown, *_) = first[part] if part == "targets" else [first[part]]
    assert all(shown[name] == ("" if null else one[name]) for name in names)
    assert second == FULL


@pytest.mark.parametrize(
    "field", ["event", "org_id", "actor.type", "targets.type", "changes.field"]
)
def test_a_required_value_that_is_null_sets_its_record_aside_alone(field):
    part, _, name = field.rpartition(".")
    schema = without((), nullable=[(part, name)])
    bad = copy.deepcopy(FULL)
    holder = bad if not part else bad[part][0] if isinstance(bad[part], list) else bad[part]
    holder[name] = None
    values = [written(schema, FULL), written(schema, bad), written(schema, FULL)]
    decoded = decode(values, lambda _frame: schema)
    assert [(r.position, r.reason) for r in decoded.rejected] == [(1, "malformed")]
    assert rows(decoded) == [FULL, FULL]
    assert decoded.positions.to_pylist() == [0, 2]


def test_a_schema_that_cannot_be_resolved_is_malformed():
    definition = copy.deepcopy(CURRENT.definition)
    definition["fields"] = [f for f in definition["fields"] if f["name"] != "org_id"]
    schema = EventSchema(definition)
    item = {name: value for name, value in FULL.items() if name != "org_id"}
    decoded = decode([written(schema, item)], lambda _frame: schema)
    assert [r.reason for r in decoded.rejected] == ["malformed"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([FULL, plain()]), st.binary(max_size=3)), max_size=6))
def test_bytes_left_after_a_datum_set_its_record_aside_alone(items):
    values = [written(CURRENT, item) + rest for item, rest in items]
    decoded = decode(values, find_current)
    bad = [position for position, (_, rest) in enumerate(items) if rest]
    assert [(r.position, r.reason) for r in decoded.rejected] == [(p, "malformed") for p in bad]
    assert all("left after the datum" in r.detail for r in decoded.rejected)
    assert rows(decoded) == [item for item, rest in items if not rest]


def test_lists_in_several_blocks_are_complete():
    """Java's writer splits long lists into blocks, so the size alone does not prove a thing."""
    actor, person = (
        FULL["targets"][0],
        [f for f in CURRENT.plain["fields"] if f["name"] == "targets"],
    )
    out = io.BytesIO()
    fastavro.schemaless_writer(out, person[0]["type"], [actor])
    block = out.getvalue()[:-1]
    value = written(CURRENT, FULL | {"targets": [actor]})
    at = value.index(block)
    split = value[:at] + block + value[at:]
    decoded = decode([split, split + b"x"], find_current)
    assert [r.position for r in decoded.rejected] == [1]
    assert rows(decoded) == [FULL | {"targets": [actor, actor]}]
