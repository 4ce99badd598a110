"""The peer: ClickHouse's own Kafka table engine, in C++, with AvroConfluent and a stub registry."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from tests.benchmarks.workload import Message

REGISTRY_ID = 1


def confluent(messages: Iterator[Message]) -> Iterator[Message]:
    """The same events in Confluent framing, which is what the engine reads."""
    head = b"\x00" + REGISTRY_ID.to_bytes(4, "big")
    for message in messages:
        yield Message(message.key, head + message.value[10:])


def create(client: Client, brokers: str, topic: str, address: str, consumers: int) -> None:
    """The engine's table and a materialised view into the same storage table.

    Its group is new each time: an earlier one has read the topic already.
    """
    client.command("DROP TABLE IF EXISTS audit.bench_view")
    client.command("DROP TABLE IF EXISTS audit.bench_kafka")
    client.command(
        f"""
        CREATE TABLE audit.bench_kafka (
            event_id String, event String, occurred_at Int64, org_id String,
            `actor.type` String, `actor.id` String, `actor.email` String, `actor.name` String,
            targets Nested(type String, id String, email String, name String),
            changes Nested(field String, old Nullable(String), new Nullable(String)),
            `context.ip` String, `context.user_agent` String, `context.service` String,
            `context.request_id` String, `context.session_id` String,
            outcome String, metadata Map(String, String)
        ) ENGINE = Kafka SETTINGS
            kafka_broker_list = '{brokers}', kafka_topic_list = '{topic}',
            kafka_group_name = 'engine-{uuid4()}', kafka_format = 'AvroConfluent',
            format_avro_schema_registry_url = '{address}', kafka_num_consumers = {consumers},
            kafka_thread_per_consumer = 1, kafka_max_block_size = 65536,
            kafka_poll_max_batch_size = 65536, kafka_flush_interval_ms = 1000,
            input_format_avro_allow_missing_fields = 1
        """
    )
    client.command(
        """
        CREATE MATERIALIZED VIEW audit.bench_view TO audit.events_store AS SELECT
            toUUID(event_id) AS event_id, fromUnixTimestamp64Milli(occurred_at, 'UTC') AS occurred_at,
            org_id, event,
            multiIf(startsWith(event, 'user.'), 'user', startsWith(event, 'org.'), 'organization',
                    'other') AS level,
            outcome, `actor.type` AS actor_type, `actor.id` AS actor_id,
            `actor.email` AS actor_email, `actor.name` AS actor_name,
            targets.type, targets.id, targets.email, targets.name,
            changes.field, changes.old, changes.new,
            `context.ip` AS ip, `context.user_agent` AS user_agent, `context.service` AS service,
            `context.request_id` AS request_id, `context.session_id` AS session_id, metadata,
            _timestamp_ms AS received_at, _topic AS kafka_topic, _partition AS kafka_partition,
            _offset AS kafka_offset
        FROM audit.bench_kafka
        """
    )


def drop(client: Client) -> None:
    """Stop it."""
    client.command("DROP TABLE IF EXISTS audit.bench_view SYNC")
    client.command("DROP TABLE IF EXISTS audit.bench_kafka SYNC")
