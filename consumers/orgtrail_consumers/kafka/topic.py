"""Checks the topic before a worker starts, and asks how long its replicas may lag."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType, TopicMetadata

from orgtrail_consumers.settings import ConsumerSettings

_LAG = "replica.lag.time.max.ms"
_DEFAULT_LAG_MS = 30_000


class TopicError(Exception):
    """The worker must not start; the message says what to do, in one line."""


def validate_topic(settings: ConsumerSettings) -> int:
    """Check the topic, and return the safety margin (ms) for idle partitions.

    The topic must exist, and its broker must set the records' time.

    On a replicated topic a record may be received and yet hidden from every reader, until the
    replicas have it or are given up: for up to 1.5 times ``replica.lag.time.max.ms``. That is added
    to the configured margin.

    Raises:
        TopicError: the topic is missing or misconfigured, or Kafka is unreachable.
    """
    admin = AdminClient({**settings.librdkafka(), "log_level": 0})
    resource = ConfigResource(ResourceType.TOPIC, settings.topic)
    try:
        topic = admin.list_topics(timeout=15).topics.get(settings.topic)
        if topic is None:
            raise TopicError(f"topic {settings.topic} does not exist: run orgtrail migrate")
        config = admin.describe_configs([resource])[resource].result(15)
    except KafkaException as error:
        brokers = settings.kafka_brokers
        raise TopicError(f"Kafka at {brokers} is unreachable: {error.args[0].str()}") from error
    if config["message.timestamp.type"].value != "LogAppendTime":
        raise TopicError(
            f"topic {settings.topic} has message.timestamp.type=CreateTime, so producers could"
            " forge the time of receipt: run orgtrail migrate"
        )
    return int(settings.idle_margin_s * 1000) + _hidden_for_ms(admin, topic)


def _hidden_for_ms(admin: AdminClient, topic: TopicMetadata) -> int:
    copied = [p for p in topic.partitions.values() if len(p.replicas) > 1]
    if not copied:
        return 0
    broker = ConfigResource(ResourceType.BROKER, str(copied[0].leader))
    try:
        lag = int(admin.describe_configs([broker])[broker].result(15)[_LAG].value)
    except (KafkaException, KeyError):
        # A worker may lack the right to describe the brokers.
        lag = _DEFAULT_LAG_MS
    # A broker checks its replicas every half of that time.
    return lag * 3 // 2
