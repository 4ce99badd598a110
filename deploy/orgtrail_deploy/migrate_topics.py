"""Migrates Kafka to the topics of this version."""

from __future__ import annotations

from orgtrail_deploy.errors import StackError, kafka_reason
from orgtrail_schemas.kafka_acls import needed
from orgtrail_schemas.topics import topic_configs


def migrate_topics(
    kafka: dict[str, str], *, partitions: int, replication: int, retention_days: int = 7
) -> list[str]:
    """Create missing topics, and set the configuration that the guarantees depend on.

    ``kafka`` holds librdkafka's connection settings. Returns the names of the created topics. It
    does not add partitions to existing topics; that is the operator's decision.

    Raises:
        StackError: Kafka is unreachable or rejects a request.
    """
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import (
        AdminClient,
        AlterConfigOpType,
        ConfigEntry,
        ConfigResource,
        NewTopic,
        ResourceType,
    )

    admin = AdminClient({**kafka, "log_level": 0})
    try:
        configs = topic_configs(retention_days)
    except ValueError as error:
        raise StackError(f"--retention-days: {error}") from None
    try:
        existing = admin.list_topics(timeout=10).topics
        missing = [
            NewTopic(name, num_partitions=partitions, replication_factor=replication, config=config)
            for name, config in configs.items()
            if name not in existing
        ]
        if missing:
            for future in admin.create_topics(missing).values():
                future.result(30)
        resources = [
            ConfigResource(
                ResourceType.TOPIC,
                name,
                incremental_configs=[
                    ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                    for key, value in config.items()
                ],
            )
            for name, config in configs.items()
            if name in existing
        ]
        if resources:
            for future in admin.incremental_alter_configs(resources).values():
                future.result(30)
    except TimeoutError as error:
        raise StackError("cannot migrate Kafka: no answer within 30 s") from error
    except KafkaException as error:
        reason = kafka_reason(error)
        if error.args[0].code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.CLUSTER_AUTHORIZATION_FAILED,
            # It was not among the topics that the user may describe.
            KafkaError.TOPIC_ALREADY_EXISTS,
        ):
            reason += f" {needed('migrator')}"
        raise StackError(f"cannot migrate Kafka: {reason}") from error
    return [topic.topic for topic in missing]
