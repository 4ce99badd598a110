"""Read dead letters back from their topic."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from orgtrail_consumers.dead_letter import HEADER_DETAIL, HEADER_REASON, HEADER_SOURCE
from orgtrail_consumers.settings import ConsumerSettings


class DeadLetter(NamedTuple):
    """One record that was set aside. ``key`` names the organisation, when there was one."""

    partition: int
    offset: int
    set_aside_at: datetime
    reason: str
    detail: str
    source: str
    key: str
    size: int


def read_dead_letters(settings: ConsumerSettings) -> Iterator[DeadLetter]:
    """Every dead letter that the topic holds at this moment, by partition and offset.

    Raises:
        KafkaException: Kafka does not answer, or the topic does not exist.
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
        for partition in sorted(topic.partitions):
            yield from _partition(consumer, TopicPartition(topic.topic, partition))
    finally:
        consumer.close()


def _partition(consumer: Consumer, place: TopicPartition) -> Iterator[DeadLetter]:
    low, high = consumer.get_watermark_offsets(place, timeout=15)
    if low == high:
        return
    place.offset = low
    consumer.assign([place])
    while consumer.position([place])[0].offset < high:
        message = consumer.poll(15)
        if message is None:
            return
        if message.error() is not None:
            raise KafkaException(message.error())
        headers = dict(message.headers() or [])
        yield DeadLetter(
            message.partition(),
            message.offset(),
            datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
            headers.get(HEADER_REASON, b"").decode(),
            headers.get(HEADER_DETAIL, b"").decode(),
            headers.get(HEADER_SOURCE, b"").decode(),
            (message.key() or b"").decode("utf-8", errors="replace"),
            len(message.value() or b""),
        )
