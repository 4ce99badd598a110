"""Bring ClickHouse to the tables and views of this version."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from orgtrail_deploy.errors import StackError
from orgtrail_schemas.tables import (
    DATABASE,
    migration_variables,
    migrations_folder,
    view_statements,
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where ClickHouse is, over HTTP, and who migrates it."""

    host: str
    port: int
    user: str
    password: str
    secure: bool = False


def migrate_tables(server: Server, cluster: str | None = None) -> int:
    """Apply the migrations that are missing, then make the views anew.

    Returns how many migrations were applied. Running it again changes nothing.

    Raises:
        StackError: ClickHouse refuses, is away, or holds a migration that differs from ours.
    """
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from clickhouse_migrations.clickhouse_cluster import ClickhouseCluster
    from clickhouse_migrations.exceptions import MigrationException

    logging.getLogger("clickhouse_migrations").setLevel(logging.WARNING)
    try:
        applied = ClickhouseCluster(
            db_host=server.host,
            db_port=str(server.port),
            db_user=server.user,
            db_password=server.password,
            secure=server.secure,
            driver="clickhouse-connect",
        ).migrate(
            DATABASE,
            migrations_folder(),
            cluster_name=cluster,
            # The lock lives in Keeper, which a single server does not have.
            lock=cluster is not None,
            variables=migration_variables(cluster),
        )
        with clickhouse_connect.get_client(
            host=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            secure=server.secure,
            autogenerate_session_id=False,
        ) as client:
            for statement in view_statements(cluster, server.user):
                client.command(statement)
    except (ClickHouseError, MigrationException) as error:
        reason = str(error).split("Stack trace")[0].strip().splitlines()[0]
        raise StackError(f"cannot migrate ClickHouse at {server.host}: {reason}") from error
    return len(applied or [])
