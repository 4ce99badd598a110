"""Checks what Kafka lets the worker do, before it starts.

Without the right to read the group, a worker would wait for partitions that it never gets.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from orgtrail_consumers.settings import ConsumerSettings

_TIMEOUT_S = 15
_REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)


def missing_rights(admin: AdminClient, settings: ConsumerSettings) -> list[str]:
    """The rights that the Kafka user lacks, such as "Read on group orgtrail".

    Kafka tells of topics and of a group that exist. It does not tell of a group that nobody has
    joined yet, unless the user may not even see it.
    """
    topics, group = [settings.topic, settings.dead_letter_topic], settings.consumer_group
    told = admin.describe_topics(
        TopicCollection(topics), include_authorized_operations=True, request_timeout=_TIMEOUT_S
    )
    of_group = admin.describe_consumer_groups(
        [group], include_authorized_operations=True, request_timeout=_TIMEOUT_S
    )[group]
    wanted = [
        (told[settings.topic], AclOperation.READ, f"Read on topic {settings.topic}"),
        (
            told[settings.dead_letter_topic],
            AclOperation.WRITE,
            f"Write on topic {settings.dead_letter_topic}",
        ),
        (of_group, AclOperation.READ, f"Read on group {group}"),
    ]
    return [right for future, operation, right in wanted if not _may(future, operation)]


def _may(future: Future[Any], operation: AclOperation) -> bool:
    try:
        allowed = future.result(_TIMEOUT_S).authorized_operations
    except KafkaException as error:
        # Any other error says nothing about rights: a new broker, for example, knows no groups yet.
        return error.args[0].code() not in _REFUSED
    # Brokers that are too old do not say.
    return not allowed or operation in allowed
