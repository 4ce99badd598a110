"""``orgtrail record-queries``: reads with SQL become audit events, from ClickHouse's query log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from msgspec import field

from orgtrail_deploy.access import Cluster
from orgtrail_deploy.errors import StackError, clickhouse_reason
from orgtrail_deploy.grants.commands import OperatorOrg
from orgtrail_deploy.grants.on_server import organizations_of_analysts
from orgtrail_schemas.access import access
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.derived_ids import derived_id
from orgtrail_schemas.settings import Secret, Settings, SettingsError, about
from orgtrail_schemas.sql import identifier

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from orgtrail import AuditProducer

QUERIED = "org.audit-log.queried"
_OVERLAP = timedelta(minutes=2)
_DELIVER_WITHIN_S = 15
_QUERIES = """
SELECT query_id, event_time_microseconds,
    coalesce(nullIf(user, ''), nullIf(initial_user, ''), 'a refreshable view'),
    type = 'QueryFinish', read_rows, result_rows, hex(normalized_query_hash), toString(address),
    if(http_user_agent = '', client_name, http_user_agent)
FROM {log}
WHERE event_date >= toDate({{since:DateTime}}) AND event_time >= {{since:DateTime}}
    AND type IN ('QueryFinish', 'ExceptionWhileProcessing')
    AND hasAny(tables, ['audit.events', 'audit.events_everywhere', '_table_function.merge'])
    AND user NOT IN {{services:Array(String)}}
    AND (is_initial_query OR address NOT IN ({servers}))
ORDER BY event_time_microseconds, query_id
"""


class RecordSettings(Settings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    clickhouse: ClickHouseSettings = field(default_factory=ClickHouseSettings)
    clickhouse_recorder_user: Annotated[str, about("User that reads the query log.")] = (
        "audit_recorder"
    )
    clickhouse_recorder_password: Annotated[
        Secret, about("Password of the user that reads the query log.")
    ] = Secret("")
    clickhouse_cluster: Cluster = ""
    operator_org: OperatorOrg = "operator"
    queries_look_back_hours: Annotated[
        int, about("How far back the first reading of the query log goes.", ge=1, le=2160)
    ] = 48


class Query(NamedTuple):
    """One query of the log that read ``audit.events``. ``ended_at`` is in UTC."""

    query_id: str
    ended_at: datetime
    user: str
    succeeded: bool
    rows_read: int
    rows_returned: int
    fingerprint: str
    address: str
    client: str


def record_queries(*, every: int | None = None) -> int:
    """Record who read audit.events with SQL, as events of the organizations that they may read.

    Each query becomes one event of each organization that was granted to its user, or of the
    operator's own if all were. The event has the query's fingerprint, never its text. Running the
    command again records the same events again, which readers see once. --every SECONDS repeats
    it until it is stopped.
    """
    from orgtrail import AuditProducer, ProducerSettings
    from orgtrail.errors import AuditError

    if every is not None and every < 1:
        raise StackError("--every must be at least 1 second")
    try:
        settings = RecordSettings.load()
        newest = datetime.now(UTC) - timedelta(hours=settings.queries_look_back_hours)
        recorded: set[tuple[str, datetime]] = set()
        with AuditProducer(ProducerSettings.load(service="orgtrail")) as audit:
            while True:
                # The log is written a few seconds after a query's end.
                since = newest - _OVERLAP
                count = _record(settings, audit, since, recorded)
                if every is None:
                    print(f"{count} queries of audit.events recorded")
                    return 0
                newest = max([newest, *(ended_at for _, ended_at in recorded)])
                recorded = {one for one in recorded if one[1] >= since}
                time.sleep(every)
    except (AuditError, SettingsError) as error:
        raise StackError(str(error).splitlines()[0]) from None


def _record(
    settings: RecordSettings,
    audit: AuditProducer,
    since: datetime,
    recorded: set[tuple[str, datetime]],
) -> int:
    """Record what is not ``recorded`` yet. A client may use the ID of a query again."""
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    connection = settings.clickhouse.connection(
        settings.clickhouse_recorder_user, settings.clickhouse_recorder_password
    )
    try:
        with clickhouse_connect.get_client(**connection) as client:
            organizations = organizations_of_analysts(client)
            queries = list(_queries(client, settings.clickhouse_cluster, since))
    except ClickHouseError as error:
        reason = clickhouse_reason(error)
        if "UNKNOWN_TABLE" in str(error):
            reason = "there is none: see <query_log> in ClickHouse's configuration"
        where = settings.clickhouse.host
        raise StackError(f"cannot read the query log of {where}: {reason}") from error
    new = [query for query in queries if (query.query_id, query.ended_at) not in recorded]
    for query in new:
        for event in events_of(query, organizations.get(query.user, ()), settings.operator_org):
            audit.emit(QUERIED, **event)
        recorded.add((query.query_id, query.ended_at))
    waiting = audit.flush(_DELIVER_WITHIN_S)
    if waiting:
        print(f"Kafka did not take {waiting} events yet: they wait on disk", file=sys.stderr)
    return len(new)


def _queries(client: Client, cluster: str, since: datetime) -> Iterator[Query]:
    log, servers = "system.query_log", "SELECT toIPv6('::') WHERE 0"
    if cluster:
        log = f"clusterAllReplicas({identifier(cluster)}, {log})"
        # What a server asks for the user of another one. A client could claim to be a server.
        servers = (
            "SELECT toIPv6OrDefault(host_address) FROM system.clusters"
            " WHERE cluster = {cluster:String}"
        )
    services = [role.name for role in access().role]
    rows = client.query(
        _QUERIES.format(log=log, servers=servers),
        {"since": since, "services": services, "cluster": cluster},
    ).result_rows
    for query_id, ended_at, *more in rows:
        yield Query(query_id, ended_at.replace(tzinfo=UTC), *more)


def events_of(
    query: Query, organizations: Sequence[str], operator_org: str
) -> Iterator[dict[str, Any]]:
    """The arguments of an event for each organization that the query could read.

    Of an analyst who may read all of them, or whose access was revoked since, the organizations
    are not known: the event is the operator's.
    """
    from orgtrail import Actor, Context, Target

    known = organizations and "*" not in organizations
    for organization in organizations if known else (operator_org,):
        yield {
            "org_id": organization,
            "event_id": derived_id(query.ended_at, organization, query.query_id),
            "occurred_at": query.ended_at,
            "outcome": "success" if query.succeeded else "failure",
            "actor": Actor(type="user", id=query.user),
            "targets": [Target(type="organization", id=organization)],
            "context": Context(ip=query.address, user_agent=query.client),
            "metadata": {
                "fingerprint": query.fingerprint,
                "rows_read": str(query.rows_read),
                "rows_returned": str(query.rows_returned),
            },
        }
