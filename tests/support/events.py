"""Events for tests: the catalogue's examples, and raw records that no SDK would send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from confluent_kafka import Producer

from orgtrail import Actor, Change, Context, Target
from orgtrail.build import build_event
from orgtrail.event_id import new_event_id
from orgtrail_schemas.catalogue import examples
from orgtrail_schemas.codec import encode
from orgtrail_schemas.event_schema import current_schema
from orgtrail_schemas.topics import EVENTS_TOPIC


def emit_arguments(key: str) -> dict[str, Any]:
    """The example of an event type as the keyword arguments of ``emit``."""
    example = examples()[key]
    return {
        "org_id": example["org_id"],
        "actor": msgspec.convert(example["actor"], Actor),
        "targets": msgspec.convert(example.get("targets", []), list[Target]),
        "changes": msgspec.convert(example.get("changes", []), list[Change]),
        "context": msgspec.convert(example["context"], Context),
        "metadata": example.get("metadata", {}),
    }


def now() -> datetime:
    """When ``record`` happened; unit tests hold it still."""
    return datetime.now(UTC)


def record(event: str = "user.login", /, **changed: Any) -> dict[str, Any]:
    """A record as the SDK would send it, with single fields changed afterwards."""
    base = build_event(
        event,
        org_id="acme",
        actor=Actor(id="u-1", email="alice@acme.example", name="Alice"),
        event_id=new_event_id(),
        occurred_at=now(),
        now=now(),
    )[0]
    return base | changed


def datum(event: str = "user.login", /, **changed: Any) -> bytes:
    """The same, framed."""
    return encode(current_schema(), record(event, **changed))


class RawProducer:
    """Sends any bytes, as a service in another language might."""

    def __init__(self, brokers: str, settings: dict[str, str] | None = None) -> None:
        """``settings`` are librdkafka's own, for a broker that is not in plaintext."""
        plain = {"bootstrap.servers": brokers, "partitioner": "murmur2_random"}
        self._producer = Producer(plain | (settings or {}))

    def send(
        self,
        value: bytes | None,
        key: bytes | None = b"acme",
        topic: str = EVENTS_TOPIC,
        headers: list[tuple[str, bytes | None]] | None = None,
        partition: int = -1,
    ) -> tuple[int, int]:
        """Send one record; its partition and offset."""
        placed: list[tuple[int, int]] = []

        def delivered(error: Any, message: Any) -> None:
            assert error is None, error
            placed.append((message.partition(), message.offset()))

        self._producer.produce(
            topic, value, key, partition=partition, headers=headers or [], on_delivery=delivered
        )
        self._producer.flush(20)
        return placed[0]
