"""Sends records that cannot be stored to the dead-letter topic, unchanged, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orgtrail_consumers import metrics
from orgtrail_consumers.dead_letters.folder import KeptLetter, keep
from orgtrail_consumers.errors import DeadLetterError
from orgtrail_consumers.kafka.batch import Batch, Rejected
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_schemas.settings import SettingsError

HEADER_REASON = "orgtrail-reason"
HEADER_DETAIL = "orgtrail-detail"
HEADER_SOURCE = "orgtrail-source"
"""``topic/partition/offset/received``: the record's position, and when Kafka received it (ms)."""

MAX_LETTER_BYTES = 100_000_000
"""The producer's limit, before compression. The broker enforces the topic's, after compression."""

_UNDELIVERABLE = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}
"""Errors that a retry cannot fix. The record then goes to the local folder."""

log = structlog.get_logger("orgtrail.consumer")


class DeadLetterSink(Protocol):
    """A destination of dead letters. ``DeadLetterProducer`` is the production implementation."""

    def send(self, batch: Batch, rejected: Sequence[Rejected], now_ms: int) -> None:
        """Send the rejected records. On return they are acknowledged."""
        ...


class DeadLetterProducer:
    """The producer of the dead-letter topic."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._settings = settings
        self._topic = settings.dead_letter_topic
        self._folder = settings.local_dead_letters
        self._producer: Producer | None = self._connected()

    def send(self, batch: Batch, rejected: Sequence[Rejected], now_ms: int) -> None:
        """Send the rejected records. On return each is acknowledged or in the local folder.

        ``now_ms`` is the current time, in milliseconds since 1970, UTC.

        Raises:
            DeadLetterError: a record is neither. Sending all of them again is safe, because
                replay is idempotent.
        """
        try:
            producer = self._producer = self._producer or self._connected()
        except (KafkaException, SettingsError) as error:
            raise DeadLetterError(f"no connection: {error}") from error
        try:
            undeliverable = self._deliver(producer, batch, rejected)
        except DeadLetterError:
            # The next one reads certificates and secrets again: they may have been renewed.
            self._producer = None
            raise
        self._keep(batch, undeliverable, now_ms)

    def _connected(self) -> Producer:
        return Producer(
            {
                **self._settings.librdkafka(),
                "enable.idempotence": True,
                "compression.type": "lz4",
                "message.max.bytes": MAX_LETTER_BYTES,
                "delivery.timeout.ms": 30_000,
                "allow.auto.create.topics": False,
                "log_level": 2,
            }
        )

    def _deliver(
        self, producer: Producer, batch: Batch, rejected: Sequence[Rejected]
    ) -> list[tuple[Rejected, str]]:
        """Deliver what can be delivered; return the others, each with the error's name."""
        failures: list[str] = []
        undeliverable: list[tuple[Rejected, str]] = []

        def failed(item: Rejected, error: KafkaError) -> None:
            if error.code() in _UNDELIVERABLE:
                undeliverable.append((item, error.name()))
            else:
                failures.append(error.str())

        try:
            for item in rejected:
                record = batch.records[item.position]
                headers: list[tuple[str, str | bytes | None]] = [
                    *record.headers,
                    (HEADER_REASON, item.reason.encode()),
                    (HEADER_DETAIL, item.detail.encode()),
                    (HEADER_SOURCE, _source(batch, item).encode()),
                ]

                def delivered(
                    error: KafkaError | None, _message: Message, item: Rejected = item
                ) -> None:
                    if error is not None:
                        failed(item, error)

                try:
                    producer.produce(
                        self._topic,
                        record.value,
                        record.key,
                        headers=headers,
                        on_delivery=delivered,
                    )
                except KafkaException as error:
                    failed(item, error.args[0])
                producer.poll(0)
        except BufferError as error:
            producer.flush(30)
            raise DeadLetterError("the producer's buffer is full") from error
        if producer.flush(35) or failures:
            raise DeadLetterError(failures[0] if failures else "no acknowledgement in time")
        return undeliverable

    def _keep(
        self, batch: Batch, undeliverable: Sequence[tuple[Rejected, str]], now_ms: int
    ) -> None:
        for item, cause in undeliverable:
            record = batch.records[item.position]
            letter = KeptLetter(
                set_aside_at=now_ms,
                reason=item.reason,
                detail=item.detail,
                source=_source(batch, item),
                key=record.key,
                value=record.value,
                headers=list(record.headers),
            )
            try:
                keep(self._folder, letter)
            except OSError as error:
                raise DeadLetterError("the local folder cannot be written") from error
            metrics.REFUSED_DEAD_LETTERS.inc()
            log.error(
                "dead_letter_stored_locally",
                folder=str(self._folder),
                error=cause,
                partition=batch.partition,
                offset=record.offset,
            )


def _source(batch: Batch, item: Rejected) -> str:
    record = batch.records[item.position]
    return f"{batch.topic}/{batch.partition}/{record.offset}/{record.timestamp}"
