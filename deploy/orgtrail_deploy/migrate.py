"""``orgtrail migrate``: bring Kafka and ClickHouse to this version."""

from __future__ import annotations

import os

from orgtrail_deploy.migrate_tables import Server, migrate_tables
from orgtrail_deploy.migrate_topics import migrate_topics


def migrate(
    *,
    kafka_brokers: str = "127.0.0.1:9092",
    partitions: int = 4,
    replication: int = 1,
    retention_days: int = 7,
    clickhouse_host: str = "127.0.0.1",
    clickhouse_port: int = 8123,
    clickhouse_secure: bool = False,
    clickhouse_user: str = "audit_migrator",
    cluster: str | None = None,
    topics: bool = True,
    tables: bool = True,
) -> int:
    """Create the topics, tables and views that are missing; run again, it changes nothing.

    The password of the ClickHouse user is read from ORGTRAIL_CLICKHOUSE_MIGRATOR_PASSWORD, and
    librdkafka's settings beside the brokers from ORGTRAIL_KAFKA_ settings as the SDK reads them.
    """
    from orgtrail.settings import ProducerSettings

    if topics:
        connection = ProducerSettings.load(kafka_brokers=kafka_brokers).librdkafka()
        created = migrate_topics(
            {key: str(value) for key, value in connection.items()},
            partitions=partitions,
            replication=replication,
            retention_days=retention_days,
        )
        print(f"Kafka: {len(created)} topics created")
    if tables:
        server = Server(
            host=clickhouse_host,
            port=clickhouse_port,
            user=clickhouse_user,
            password=os.environ.get("ORGTRAIL_CLICKHOUSE_MIGRATOR_PASSWORD", ""),
            secure=clickhouse_secure,
        )
        print(f"ClickHouse: {migrate_tables(server, cluster)} migrations applied, views made anew")
    return 0
