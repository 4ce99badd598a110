"""``orgtrail migrate``: migrate Kafka topics and ClickHouse tables to this version."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import field

from orgtrail_deploy.access import Cluster
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.migrate_tables import migrate_tables
from orgtrail_deploy.migrate_topics import migrate_topics
from orgtrail_schemas.connections import ClickHouseSettings, KafkaSettings
from orgtrail_schemas.settings import Secret, SettingsError, about


class MigrateSettings(KafkaSettings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    clickhouse: ClickHouseSettings = field(default_factory=ClickHouseSettings)
    clickhouse_cluster: Cluster = ""
    clickhouse_replicated: Annotated[
        bool,
        about(
            "In a cluster: whether it has Keeper, and tables are replicated. Else each shard is"
            " migrated by itself."
        ),
    ] = True
    clickhouse_migrator_user: Annotated[str, about("User that creates tables and views.")] = (
        "audit_migrator"
    )
    clickhouse_migrator_password: Annotated[
        Secret, about("Password of the user that creates tables and views.")
    ] = Secret("")


def migrate(
    *,
    kafka_brokers: str | None = None,
    partitions: int = 4,
    replication: int = 1,
    retention_days: int = 7,
    clickhouse_host: str | None = None,
    clickhouse_port: int | None = None,
    clickhouse_secure: bool | None = None,
    clickhouse_user: str | None = None,
    cluster: str | None = None,
    replicated: bool | None = None,
    topics: bool = True,
    tables: bool = True,
) -> int:
    """Migrate Kafka topics and ClickHouse tables to this version. It is safe to run again.

    Reads the ORGTRAIL_ settings (docs/settings.md). The options override them. The password is
    read from ORGTRAIL_CLICKHOUSE_MIGRATOR_PASSWORD. With --cluster all servers of the cluster get
    replicated tables; with --replicated=false as well only this one, with tables of its own.
    """
    options: dict[str, Any] = {
        "kafka_brokers": kafka_brokers,
        "clickhouse_host": clickhouse_host,
        "clickhouse_port": clickhouse_port,
        "clickhouse_secure": clickhouse_secure,
        "clickhouse_migrator_user": clickhouse_user,
        "clickhouse_cluster": cluster,
        "clickhouse_replicated": replicated,
    }
    try:
        settings = MigrateSettings.load(**{k: v for k, v in options.items() if v is not None})
        kafka = settings.librdkafka()
    except SettingsError as error:
        raise StackError(str(error)) from None
    if topics:
        created = migrate_topics(
            kafka, partitions=partitions, replication=replication, retention_days=retention_days
        )
        print(f"Kafka: {len(created)} topics created")
    if tables:
        applied = migrate_tables(
            settings.clickhouse,
            settings.clickhouse_migrator_user,
            settings.clickhouse_migrator_password,
            settings.clickhouse_cluster or None,
            replicated=settings.clickhouse_replicated,
        )
        print(f"ClickHouse: {applied} migrations applied, views recreated")
    return 0
