"""``orgtrail check``: the questions in order, as a checklist."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from orgtrail_deploy.check.findings import Finding, Verdict, failed, ok, unknown
from orgtrail_deploy.check.in_clickhouse import clickhouse_findings, shard_findings
from orgtrail_deploy.check.in_kafka import kafka_findings
from orgtrail_deploy.check.round_trip import Stored, round_trip
from orgtrail_deploy.check.settings import CheckSettings
from orgtrail_deploy.errors import StackError, clickhouse_reason, kafka_reason
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import SettingsError
from orgtrail_schemas.shards import shard_of

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_ON_ITS_WAY = "From Kafka to ClickHouse"
_STORED = """
SELECT toUnixTimestamp64Milli(received_at) FROM audit.events_store
WHERE org_id = {org:String} AND occurred_at >= now64(3) - INTERVAL 1 HOUR
    AND event_id = {event_id:UUID}
LIMIT 1
"""


def check(*, within: int = 30) -> int:
    """Check an installation: Kafka, ClickHouse, the query service, and an event on its way.

    The event may take --within SECONDS until it can be read. It is one of the operator's
    organization, org.audit-log.checked. Exits with 1 if anything must be mended. Reads the
    ORGTRAIL_ settings (docs/settings.md); the user audit_checker can read no event.
    """
    if within < 1:
        raise StackError("--within must be at least 1 second")
    try:
        settings = CheckSettings.load()
        settings.librdkafka()
        settings.check_files()
    except SettingsError as error:
        raise StackError(str(error)) from None
    verdicts: list[Verdict] = []
    for title, findings in _sections(settings, within):
        print(f"\n{title}" if verdicts else title)
        for finding in findings:
            verdicts.append(finding.verdict)
            print(_line(finding), flush=True)
    failures = verdicts.count(Verdict.FAILED)
    print(f"\n{verdicts.count(Verdict.OK)} ok, {failures} failed, {_rest(verdicts)}")
    return 1 if failures else 0


def _sections(settings: CheckSettings, within_s: int) -> Iterator[tuple[str, Iterator[Finding]]]:
    yield f"Kafka at {settings.kafka_brokers}", _answered(kafka_findings(settings))
    servers = settings.clickhouse.servers()
    stored: Stored | None = None
    with ExitStack() as open_until_the_end:
        for position, server in enumerate(servers):
            where = f"ClickHouse at {server.host}:{server.port}"
            client = _connect(server, settings)
            if isinstance(client, Finding):
                yield where, iter([client])
                continue
            open_until_the_end.enter_context(closing(client))
            findings = clickhouse_findings(client, settings)
            if len(servers) > 1:
                findings = chain(findings, shard_findings(client, position, len(servers)))
            yield where, _answered(findings)
            if position == shard_of(settings.operator_org, len(servers)):
                stored = partial(_stored, client)
        yield _ON_ITS_WAY, _answered(round_trip(settings.operator_org, stored, within_s))
    yield "Query service", iter([_query_service(settings.url, shards=len(servers))])


def _connect(server: ClickHouseSettings, settings: CheckSettings) -> Client | Finding:
    """A client of the checker, or why there is none."""
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        connection = server.connection(
            settings.clickhouse_checker_user, settings.clickhouse_checker_password
        )
        return clickhouse_connect.get_client(**connection)
    except (ClickHouseError, SettingsError) as error:
        return failed(
            f"sign in as {settings.clickhouse_checker_user}",
            clickhouse_reason(error),
            "compare ORGTRAIL_CLICKHOUSE_… with the server, and run orgtrail access --apply",
        )


def _answered(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, and one more if a server stops answering."""
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from confluent_kafka import KafkaException

    try:
        yield from findings
    except ClickHouseError as error:
        yield failed("answer", clickhouse_reason(error), "run orgtrail access --apply")
    except KafkaException as error:
        yield failed("answer", kafka_reason(error), "look at the brokers")
    except TimeoutError:
        yield failed("answer", "none within 15 s", "look at the brokers")


def _stored(client: Client, org: str, event_id: str) -> datetime | None:
    rows = client.query(_STORED, {"org": org, "event_id": event_id}).result_rows
    return datetime.fromtimestamp(rows[0][0] / 1000, UTC) if rows else None


def _query_service(url: str, shards: int) -> Finding:
    if not url:
        return unknown("readiness", "set ORGTRAIL_URL to its address")
    question, address = f"readiness of {url}", f"{url.rstrip('/')}/readyz"
    if not address.startswith(("http://", "https://")):
        return failed(question, "ORGTRAIL_URL is not a web address", "begin it with https://")
    try:
        with urllib.request.urlopen(address, timeout=15):  # noqa: S310
            reached = "ClickHouse" if shards == 1 else "at least one shard of ClickHouse"
            return ok(question, f"it answers, and reaches {reached}")
    except urllib.error.HTTPError as error:
        return failed(question, f"it answers {error.code}", "look at its log")
    except OSError as error:
        return failed(question, str(getattr(error, "reason", error)), "start orgtrail serve")


def _line(finding: Finding) -> str:
    line = f"  {finding.verdict.value:<11} {finding.question}: {finding.seen}"
    return f"{line}\n{'':14}→ {finding.remedy}" if finding.remedy else line


def _rest(verdicts: list[Verdict]) -> str:
    notes, unchecked = verdicts.count(Verdict.NOTE), verdicts.count(Verdict.UNKNOWN)
    return f"{notes} to note, {unchecked} not checked"
