"""Validates the topic before a worker starts, and asks Kafka how long its replicas may lag."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType, TopicMetadata

from orgtrail_consumers.kafka.rights import missing_rights
from orgtrail_consumers.settings import ConsumerSettings

_LAG = "replica.lag.time.max.ms"
_DEFAULT_LAG_MS = 30_000


class TopicError(Exception):
    """The worker must not start. The message is one line and names the fix."""


def validate_topic(settings: ConsumerSettings) -> int:
    """Check the topic, and return the safety margin (ms) for idle partitions.

    The topic must exist, and the broker must set the records' timestamps.

    On a replicated topic a received record is hidden from all readers until the replicas have it
    or have left the in-sync set. This takes up to 1.5 times ``replica.lag.time.max.ms``, which is
    added to the configured margin.

    Raises:
        TopicError: the topic is missing or misconfigured, a right is missing, or Kafka is
            unreachable.
    """
    brokers = settings.kafka_brokers
    resource = ConfigResource(ResourceType.TOPIC, settings.topic)
    try:
        admin = AdminClient({**settings.librdkafka(), "log_level": 0})
        topic = admin.list_topics(timeout=15).topics.get(settings.topic)
        if topic is None:
            raise TopicError(
                f"topic {settings.topic} does not exist, or the Kafka user lacks Read on it:"
                " run orgtrail migrate, or grant the right"
            )
        missing = missing_rights(admin, settings)
        if missing:
            raise TopicError(f"the Kafka user lacks {' and '.join(missing)}")
        config = admin.describe_configs([resource])[resource].result(15)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise TopicError(
                f"the Kafka user lacks DescribeConfigs on topic {settings.topic}"
            ) from error
        raise TopicError(f"Kafka at {brokers} is unreachable: {error.args[0].str()}") from error
    except TimeoutError as error:
        raise TopicError(f"Kafka at {brokers} does not answer") from error
    if config["message.timestamp.type"].value != "LogAppendTime":
        raise TopicError(
            f"topic {settings.topic} has message.timestamp.type=CreateTime, so producers could"
            " forge the time of receipt: run orgtrail migrate"
        )
    return int(settings.idle_margin_s * 1000) + _hidden_for_ms(admin, topic)


def _hidden_for_ms(admin: AdminClient, topic: TopicMetadata) -> int:
    replicated = [p for p in topic.partitions.values() if len(p.replicas) > 1]
    if not replicated:
        return 0
    broker = ConfigResource(ResourceType.BROKER, str(replicated[0].leader))
    try:
        lag = int(admin.describe_configs([broker])[broker].result(15)[_LAG].value)
    except (KafkaException, KeyError, TimeoutError):
        # A worker may not be authorized to describe the brokers.
        lag = _DEFAULT_LAG_MS
    # A broker checks its replicas at intervals of half that time.
    return lag * 3 // 2
