"""Dead letters: what cannot be stored goes to a topic of its own, whole and with its reason."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from confluent_kafka import KafkaError, Message, Producer

from orgtrail_consumers.batch import Batch, Rejected
from orgtrail_consumers.settings import ConsumerSettings

HEADER_REASON = "orgtrail-reason"
HEADER_DETAIL = "orgtrail-detail"
HEADER_SOURCE = "orgtrail-source"
"""``topic/partition/offset/received``: where the record was, and when Kafka received it (ms)."""


class DeadLetterError(Exception):
    """The dead-letter topic did not acknowledge; a retry may help."""


class DeadLetters:
    """The producer of the dead-letter topic."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._topic = settings.dead_letter_topic
        self._producer = Producer(
            {
                **settings.librdkafka(),
                "enable.idempotence": True,
                "compression.type": "lz4",
                "message.max.bytes": 8_000_000,
                "delivery.timeout.ms": 30_000,
                "allow.auto.create.topics": False,
                "log_level": 2,
            }
        )

    def send(self, batch: Batch, rejected: Sequence[Rejected]) -> None:
        """Send them all; on return Kafka has acknowledged each.

        Raises:
            DeadLetterError: it did not; sending them again is safe, replay is idempotent.
        """
        failures: list[str] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failures.append(error.str())

        try:
            for item in rejected:
                record = batch.records[item.position]
                source = f"{batch.topic}/{batch.partition}/{record.offset}/{record.timestamp}"
                headers = [
                    *record.headers,
                    (HEADER_REASON, item.reason.encode()),
                    (HEADER_DETAIL, item.detail.encode()),
                    (HEADER_SOURCE, source.encode()),
                ]
                self._producer.produce(
                    self._topic, record.value, record.key, headers=headers, on_delivery=delivered
                )
                self._producer.poll(0)
        except BufferError as error:
            self._producer.flush(30)
            raise DeadLetterError("the buffer is full") from error
        if self._producer.flush(35) or failures:
            raise DeadLetterError(failures[0] if failures else "no acknowledgement in time")


def dead_letter_rows(batch: Batch, rejected: Sequence[Rejected], now_ms: int) -> pa.Table:
    """The rows of ``audit.dead_letters``: no payload, the organisation from the Kafka key."""
    instant = pa.timestamp("ms", "UTC")
    records = [batch.records[item.position] for item in rejected]
    count = len(records)
    return pa.table(
        {
            "org_id": [(r.key or b"").decode("utf-8", errors="replace") for r in records],
            "received_at": pa.array([r.timestamp for r in records], pa.int64()).cast(instant),
            "reason": [item.reason for item in rejected],
            "kafka_topic": [batch.topic] * count,
            "kafka_partition": pa.array([batch.partition] * count, pa.uint32()),
            "kafka_offset": pa.array([r.offset for r in records], pa.uint64()),
            "dead_lettered_at": pa.array([now_ms] * count, pa.int64()).cast(instant),
        }
    )
