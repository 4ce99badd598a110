"""What the topic must be like before a worker may start."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from orgtrail_consumers.settings import ConsumerSettings


class TopicError(Exception):
    """The worker must not start; the message says what to do, in one line."""


def check_topic(settings: ConsumerSettings) -> None:
    """Return when the topic exists and its broker sets the records' time.

    Raises:
        TopicError: it does not, or Kafka does not answer.
    """
    admin = AdminClient({**settings.librdkafka(), "log_level": 0})
    resource = ConfigResource(ResourceType.TOPIC, settings.topic)
    try:
        if settings.topic not in admin.list_topics(timeout=15).topics:
            raise TopicError(f"topic {settings.topic} does not exist: run orgtrail migrate")
        config = admin.describe_configs([resource])[resource].result(15)
    except KafkaException as error:
        brokers = settings.kafka_brokers
        raise TopicError(f"Kafka at {brokers} does not answer: {error.args[0].str()}") from error
    if config["message.timestamp.type"].value != "LogAppendTime":
        raise TopicError(
            f"topic {settings.topic} has message.timestamp.type=CreateTime, so producers could"
            " forge the time of receipt: run orgtrail migrate"
        )
