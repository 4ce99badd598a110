"""Migrates ClickHouse to the tables and views of this version."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from orgtrail_deploy.errors import StackError, clickhouse_reason
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret
from orgtrail_schemas.tables import (
    DATABASE,
    everywhere_statement,
    migration_variables,
    migrations_folder,
    view_statements,
)

_REPLICA_IS_BEHIND = "code: 517"
"""CANNOT_ASSIGN_ALTER: the replica has not applied the statement before. It can be repeated."""

_FOLLOWS_WITHIN_S = 300


def migrate_tables(
    clickhouse: ClickHouseSettings,
    user: str,
    password: Secret,
    cluster: str | None = None,
    *,
    replicated: bool = True,
) -> int:
    """Apply the migrations that are missing, then recreate the views.

    Returns how many migrations were applied since replicas last had to catch up. Running it again
    changes nothing. With a cluster all its servers are migrated, through Keeper; if it is not
    ``replicated``, this server only.

    Raises:
        StackError: ClickHouse is unreachable or rejects a statement, or an applied migration
            differs from ours.
    """
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from clickhouse_migrations.clickhouse_cluster import ClickhouseCluster
    from clickhouse_migrations.exceptions import MigrationException

    on_all = cluster if replicated else None

    def apply() -> int:
        applied = ClickhouseCluster(
            db_host=clickhouse.host,
            db_port=str(clickhouse.port),
            db_user=user,
            db_password=password.reveal(),
            secure=clickhouse.secure,
            ca_cert=None if clickhouse.ca_file is None else str(clickhouse.ca_file),
            driver="clickhouse-connect",
        ).migrate(
            DATABASE,
            migrations_folder(),
            cluster_name=on_all,
            # The lock is stored in Keeper, which a single server does not have.
            lock=on_all is not None,
            variables=migration_variables(on_all),
        )
        return len(applied or [])

    logging.getLogger("clickhouse_migrations").setLevel(logging.WARNING)
    try:
        applied = _once_replicas_follow(apply)
        with clickhouse_connect.get_client(**clickhouse.connection(user, password)) as client:
            for statement in view_statements(on_all):
                client.command(statement)
            if cluster is not None:
                client.command(everywhere_statement(cluster, replicated=replicated))
    except (ClickHouseError, MigrationException) as error:
        reason = clickhouse_reason(error)
        raise StackError(f"cannot migrate ClickHouse at {clickhouse.host}: {reason}") from error
    return applied


def _once_replicas_follow(apply: Callable[[], int]) -> int:
    """Apply migrations, again if a replica is behind: their statements may be repeated."""
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from clickhouse_migrations.exceptions import MigrationException

    deadline = time.monotonic() + _FOLLOWS_WITHIN_S
    while True:
        try:
            return apply()
        except (ClickHouseError, MigrationException) as error:
            if _REPLICA_IS_BEHIND not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(1)
