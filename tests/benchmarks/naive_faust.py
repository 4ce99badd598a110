"""The peer: an idiomatic Faust consumer, as the documentation would have one write it.

``stream.take`` for batches, fastavro for each record, rows inserted by clickhouse-connect. It writes
the same columns of the same table, without enrichment, dead letters or exactness.
"""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime

import clickhouse_connect
import fastavro
import faust

from orgtrail_schemas.catalogue import level_of
from orgtrail_schemas.event_schema import current_schema

SCHEMA = current_schema().parsed
COLUMNS = [
    "event_id", "occurred_at", "org_id", "event", "level", "outcome", "actor_type", "actor_id",
    "actor_email", "actor_name", "targets.type", "targets.id", "targets.email", "targets.name",
    "changes.field", "changes.old", "changes.new", "ip", "user_agent", "service", "request_id",
    "session_id", "metadata", "received_at",
]  # fmt: skip

app = faust.App(
    "naive",
    broker=f"kafka://{os.environ['BROKERS']}",
    store="memory://",
    topic_allow_declare=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
topic = app.topic(os.environ["TOPIC"], value_serializer="raw", key_serializer="raw")
client = clickhouse_connect.get_client(
    host="127.0.0.1",
    port=int(os.environ["HTTP_PORT"]),
    username="bench",
    password="bench",
    autogenerate_session_id=False,
    settings={"async_insert": 0},
)


def row(event: faust.Event) -> list[object]:
    e = fastavro.schemaless_reader(io.BytesIO(event.value[10:]), SCHEMA)
    actor, context, targets, changes = e["actor"], e["context"], e["targets"], e["changes"]
    return [
        e["event_id"], e["occurred_at"], e["org_id"], e["event"], level_of(e["event"]),
        e["outcome"], actor["type"], actor["id"], actor["email"], actor["name"],
        *([t[n] for t in targets] for n in ("type", "id", "email", "name")),
        *([c[n] for c in changes] for n in ("field", "old", "new")),
        context["ip"], context["user_agent"], context["service"], context["request_id"],
        context["session_id"], e["metadata"], datetime.fromtimestamp(event.message.timestamp, UTC),
    ]  # fmt: skip


@app.agent(topic)
async def store(stream):
    async for events in stream.take_events(5_000, within=0.5):
        client.insert(
            "events_store", [row(event) for event in events], column_names=COLUMNS, database="audit"
        )


if __name__ == "__main__":
    faust.Worker(app, loglevel="error", quiet=True).execute_from_commandline()
