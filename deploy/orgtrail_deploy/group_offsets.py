"""Where a consumer group and the events topic are, in offsets by partition."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from orgtrail_schemas.topics import EVENTS_TOPIC

TIMEOUT_S = 15


def members_of(admin: AdminClient, group: str) -> int:
    """How many consumers the group has.

    Raises:
        KafkaException: the broker refuses.
    """
    asked = admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group]
    return len(asked.result(TIMEOUT_S).members)


def committed_by(admin: AdminClient, group: str) -> dict[int, int]:
    """The offsets that the group has committed; a partition without one is not in it.

    Raises:
        KafkaException: the broker refuses.
    """
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group]
    places = asked.result(TIMEOUT_S).topic_partitions or []
    return {place.partition: place.offset for place in places if place.topic == EVENTS_TOPIC}


def offsets_at(admin: AdminClient, partitions: Iterable[int], spec: OffsetSpec) -> dict[int, int]:
    """The first or the last offset, or the first one since a time, which is negative without any.

    Raises:
        KafkaException: the broker refuses.
    """
    asked = {TopicPartition(EVENTS_TOPIC, number): spec for number in partitions}
    answers = admin.list_offsets(asked, request_timeout=TIMEOUT_S)
    return {place.partition: answer.result(TIMEOUT_S).offset for place, answer in answers.items()}
