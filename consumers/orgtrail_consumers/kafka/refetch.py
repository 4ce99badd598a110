"""Fetches single records again, after the consumer has dropped them from memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from orgtrail_consumers.errors import RefetchError
from orgtrail_consumers.kafka.records import Headers, Record
from orgtrail_consumers.settings import ConsumerSettings

Refetch = Callable[[str, int, Sequence[int]], Mapping[int, Record]]
"""Topic, partition and offsets to the records by offset, as ``refetch`` gives them."""

_TIMEOUT_S = 30
_GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError._PARTITION_EOF}


def refetch(
    settings: ConsumerSettings, topic: str, partition: int, offsets: Sequence[int]
) -> dict[int, Record]:
    """The records at these offsets. Those that the topic has deleted meanwhile are missing.

    Raises:
        RefetchError: Kafka does not answer.
    """
    consumer = Consumer(
        {
            **settings.librdkafka(),
            "group.id": f"{settings.consumer_group}-refetch",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    found: dict[int, Record] = {}
    try:
        for offset in offsets:
            consumer.assign([TopicPartition(topic, partition, offset)])
            message = consumer.poll(_TIMEOUT_S)
            if message is None:
                raise RefetchError("no answer in time")
            error = message.error()
            if error is None and message.offset() == offset:
                found[offset] = _record(message, offset)
            elif error is not None and error.code() not in _GONE:
                raise RefetchError(error.name())
    finally:
        consumer.close()
    return found


def _record(message: Message, offset: int) -> Record:
    value, key, received = message.value(), message.key(), message.timestamp()[1]
    return Record(key, value, _headers(message), offset, received)


def _headers(message: Message) -> Headers:
    try:
        pairs = cast("Sequence[tuple[str, str | bytes | None]]", message.headers() or [])
    except (SystemError, UnicodeDecodeError):
        # confluent-kafka cannot read a name that is not UTF-8. An event is whole without headers.
        return []
    return [
        (name, value.encode() if isinstance(value, str) else value or b"") for name, value in pairs
    ]
