"""The settings of ``orgtrail check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import field

from orgtrail_deploy.access import Cluster
from orgtrail_deploy.grants.commands import OperatorOrg
from orgtrail_schemas.connections import KafkaSettings, ShardedClickHouseSettings
from orgtrail_schemas.settings import Secret, about
from orgtrail_schemas.topics import CONSUMER_GROUP


class CheckSettings(KafkaSettings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    consumer_group: Annotated[str, about("The consumer group.")] = CONSUMER_GROUP
    clickhouse: ShardedClickHouseSettings = field(default_factory=ShardedClickHouseSettings)
    clickhouse_cluster: Cluster = ""
    clickhouse_checker_user: Annotated[str, about("User that reads what is to be checked.")] = (
        "audit_checker"
    )
    clickhouse_checker_password: Annotated[
        Secret, about("Password of the user that reads what is to be checked.")
    ] = Secret("")
    analysts_file: Annotated[
        Path, about("The list of analysts that ClickHouse is compared with, if the file exists.")
    ] = Path("analysts.toml")
    operator_org: OperatorOrg = "operator"
    url: Annotated[
        str, about("The query service's address; without it the service is not checked.")
    ] = ""
