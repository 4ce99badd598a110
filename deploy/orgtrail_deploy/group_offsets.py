"""Where a consumer group and the events topic are, in offsets by partition."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from orgtrail_schemas.topics import EVENTS_TOPIC

TIMEOUT_S = 15

T = TypeVar("T")

_COORDINATOR_IS_MOVING = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
"""After a broker's start or end, until another one has the group. Consumers wait for it, too."""


def once_coordinated(ask: Callable[[], Future[T]]) -> T:
    """The answer about a group, asked again while its coordinator is moving.

    Raises:
        KafkaException: the broker refuses.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return ask().result(TIMEOUT_S)
        except KafkaException as error:
            moving = error.args[0].code() in _COORDINATOR_IS_MOVING
            if not moving or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def members_of(admin: AdminClient, group: str) -> int:
    """How many consumers the group has.

    Raises:
        KafkaException: the broker refuses.
    """
    described = once_coordinated(
        lambda: admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group]
    )
    return len(described.members)


def committed_by(admin: AdminClient, group: str) -> dict[int, int]:
    """The offsets that the group has committed; a partition without one is not in it.

    Raises:
        KafkaException: the broker refuses.
    """
    wanted = [ConsumerGroupTopicPartitions(group)]
    listed = once_coordinated(lambda: admin.list_consumer_group_offsets(wanted)[group])
    places = listed.topic_partitions or []
    return {place.partition: place.offset for place in places if place.topic == EVENTS_TOPIC}


def offsets_at(admin: AdminClient, partitions: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
    """The first or the last offset, or the first one since a time, which is negative without any.

    Raises:
        KafkaException: the broker refuses.
    """
    asked = {TopicPartition(EVENTS_TOPIC, number): spec for number in partitions}
    answers = admin.list_offsets(asked, request_timeout=TIMEOUT_S)
    return {place.partition: answer.result(TIMEOUT_S).offset for place, answer in answers.items()}
