"""Reads dead letters back from their topic and from the local folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from orgtrail_consumers.dead_letters.folder import kept
from orgtrail_consumers.dead_letters.producer import HEADER_DETAIL, HEADER_REASON, HEADER_SOURCE
from orgtrail_consumers.settings import ConsumerSettings

_OURS = (HEADER_REASON, HEADER_DETAIL, HEADER_SOURCE)


class DeadLetter(NamedTuple):
    """One dead-lettered record.

    ``location`` is ``partition/offset`` in the dead-letter topic, or ``local/`` plus the file's
    name in the local folder. ``key``, ``value`` and ``headers`` are those of the original record;
    the key is the organization's ID, if the record had one. ``source`` is
    ``topic/partition/offset/received``.
    """

    location: str
    set_aside_at: datetime
    reason: str
    detail: str
    source: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def read_dead_letters(settings: ConsumerSettings) -> Iterator[DeadLetter]:
    """Every dead letter that the topic holds at this moment, in offset order per partition.

    The dead letters in this machine's local folder follow.

    Raises:
        KafkaException: Kafka is unreachable, or the topic does not exist.
    """
    consumer = Consumer(
        {
            **settings.librdkafka(),
            "group.id": f"{settings.consumer_group}-dlq-list",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    try:
        topic = consumer.list_topics(settings.dead_letter_topic, timeout=15).topics[
            settings.dead_letter_topic
        ]
        if topic.error is not None:
            raise KafkaException(topic.error)
        yield from _read(consumer, settings.dead_letter_topic, sorted(topic.partitions))
    finally:
        consumer.close()
    for name, letter in kept(settings.local_dead_letters):
        when = datetime.fromtimestamp(letter.set_aside_at / 1000, UTC)
        yield DeadLetter(
            f"local/{name}",
            when,
            letter.reason,
            letter.detail,
            letter.source,
            letter.key,
            letter.value,
            letter.headers,
        )


def _read(consumer: Consumer, topic: str, partitions: list[int]) -> Iterator[DeadLetter]:
    end_offsets: dict[int, int] = {}
    start_positions = []
    for number in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=15)
        if low < high:
            end_offsets[number] = high
            start_positions.append(TopicPartition(topic, number, low))
    consumer.assign(start_positions)
    while end_offsets:
        message = consumer.poll(30)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if message.error() is not None:
            raise KafkaException(message.error())
        partition, offset = message.partition(), message.offset()
        if partition is None or offset is None or partition not in end_offsets:
            continue
        if offset >= end_offsets[partition] - 1:
            del end_offsets[partition]
        yield _letter(message)


def _letter(message: Message) -> DeadLetter:
    pairs = cast("Sequence[tuple[str, str | bytes | None]]", message.headers() or [])
    headers = [(name, _bytes(value)) for name, value in pairs]
    # Our headers come last. The original headers before them may have any names, even ours.
    original, added = headers[: -len(_OURS)], headers[-len(_OURS) :]
    ours = {name: (value or b"").decode("utf-8", errors="replace") for name, value in added}
    return DeadLetter(
        f"{message.partition()}/{message.offset()}",
        datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
        ours.get(HEADER_REASON, ""),
        ours.get(HEADER_DETAIL, ""),
        ours.get(HEADER_SOURCE, ""),
        message.key(),
        message.value(),
        original,
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
