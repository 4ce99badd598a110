"""``orgtrail check``: says of a good installation that it is, and of each fault what to do."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from tests.support.installed_clickhouse import InstalledClickHouse
from tests.support.running import eventually
from tests.support.up import orgtrail

from orgtrail_deploy.check.findings import Verdict
from orgtrail_deploy.check.in_clickhouse import clickhouse_findings
from orgtrail_deploy.check.settings import CheckSettings
from orgtrail_deploy.local.secrets import load_secrets
from orgtrail_deploy.local.stack import PARTITIONS
from orgtrail_schemas.access import access


def checked(env, code, *options):
    """Its lines by question, and as a whole."""
    done = orgtrail("check", *options, env=env, seconds=120)
    assert (done.returncode, done.stderr) == (code, ""), done.stdout + done.stderr
    verdicts = dict(
        re.findall(r"^  (?:ok|FAILED|note|not checked) +(.+?): (.*)$", done.stdout, re.MULTILINE)
    )
    return verdicts, done.stdout


@pytest.fixture
def of_the_stack(running, tmp_path):
    stack = running.stack
    return stack.environment() | {
        "ORGTRAIL_CLICKHOUSE_CHECKER_PASSWORD": load_secrets(stack.root).passwords["audit_checker"],
        "ORGTRAIL_URL": stack.page,
        "ORGTRAIL_SPOOL_DIR": str(tmp_path),
    }


def test_the_stack_is_as_it_should_be(running, of_the_stack):
    partitions = "SELECT count() FROM audit.ingest_progress FINAL"
    eventually(lambda: running.sql(partitions)[0][0] == PARTITIONS)
    verdicts, text = checked(of_the_stack, 0)
    assert text.count(" ok ") == len(verdicts) - 2, text
    assert "0 failed, 1 to note, 1 not checked" in text
    assert verdicts["topic audit.events.v1"].endswith("kept 7 days, LogAppendTime")
    assert "anyone who reaches Kafka" in verdicts["who may write events"]
    assert verdicts["service users"] == f"{len(access().role)}, each with its grants and no others"
    assert "there is no analysts.toml" in verdicts["analysts"]
    # The operator can see that it was checked.
    seen = running.get("/v1/orgs/operator/events", org="operator", event="org.audit-log.checked")
    assert seen.json()["events"]


def test_what_is_away_is_said_in_one_line(of_the_stack):
    away = {
        "ORGTRAIL_KAFKA_BROKERS": "127.0.0.1:1",
        "ORGTRAIL_CLICKHOUSE_PORT": "1",
        "ORGTRAIL_URL": "http://127.0.0.1:1",
    }
    verdicts, text = checked(of_the_stack | away, 1, "--within=4")
    failing = {
        "brokers", "sign in as audit_checker", "an event sent", "readiness of http://127.0.0.1:1"
    }  # fmt: skip
    assert set(verdicts) == failing
    assert text.count("→") == len(failing)


def test_a_wrong_setting_is_one_line(of_the_stack):
    done = orgtrail("check", env=of_the_stack | {"ORGTRAIL_KAFKA_BROKERS": "a:b:c"}, seconds=30)
    assert done.returncode == 1
    assert re.fullmatch(r"orgtrail: ORGTRAIL_KAFKA_BROKERS: .*\n", done.stderr)


def test_a_wrong_password_is_said(of_the_stack):
    wrong = of_the_stack | {"ORGTRAIL_CLICKHOUSE_CHECKER_PASSWORD": "wrong"}
    verdicts, _ = checked(wrong, 1)
    assert "Authentication failed" in verdicts["sign in as audit_checker"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory, running):
    made = InstalledClickHouse(
        tmp_path_factory.mktemp("clickhouse") / "server", running.stack.brokers
    )
    try:
        assert made.apply().returncode == 0
        yield made
    finally:
        made.clickhouse.stop()


def of(server, code=1):
    # No consumer stores into this server: a longer wait would change nothing.
    return checked(server.environment(), code, "--within=6")[0]


def migrate(server):
    done = server.run("migrate", "--topics=false")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def at_first(bare):
    """What it says before the first migration, and after it."""
    before = of(bare)
    migrate(bare)
    return before, of(bare)


@pytest.fixture
def installed(bare, at_first):
    migrate(bare)
    return bare


def test_before_the_first_migration(at_first):
    verdicts, _ = at_first
    assert verdicts["migrations"].endswith("not applied")
    assert verdicts["table audit.events"] == "there is none"


def test_as_installed_only_the_consumer_is_missing(at_first):
    """The stack's consumer stores into the stack's ClickHouse, not into this one."""
    _, verdicts = at_first
    assert verdicts["freshness"] == "0 of no partitions have reported"
    assert verdicts["and read back"] == "not stored 6 s later"
    assert verdicts["analysts"] == "3, as in analysts.toml"
    assert verdicts["users without a row policy"] == "read nothing"
    assert verdicts["service users"] == f"{len(access().role)}, each with its grants and no others"


FAULTS = {
    "a right more": (
        "GRANT SELECT ON audit.people TO audit_export",
        "REVOKE SELECT ON audit.people FROM audit_export",
        "service users",
        "other grants than ours: audit_export",
    ),
    "a right fewer": (
        "REVOKE INSERT ON audit.people FROM audit_writer",
        "GRANT INSERT ON audit.people TO audit_writer",
        "service users",
        "other grants than ours: audit_writer",
    ),
    "a longer TTL": (
        "ALTER TABLE audit.events_store MODIFY TTL toDateTime(occurred_at) + INTERVAL 900 DAY",
        "ALTER TABLE audit.events_store MODIFY TTL toDateTime(occurred_at) + INTERVAL 90 DAY",
        "retention",
        "the TTL is not 90 days",
    ),
    "no TTL": (
        "ALTER TABLE audit.events_store REMOVE TTL",
        "ALTER TABLE audit.events_store MODIFY TTL toDateTime(occurred_at) + INTERVAL 90 DAY",
        "retention",
        "the TTL is not 90 days",
    ),
    "an analyst changed by hand": (
        "ALTER ROW POLICY ana ON audit.events USING org_id IN ('initech')",
        "ALTER ROW POLICY ana ON audit.events USING org_id IN ('acme', 'globex')",
        "analysts",
        "3 differences from analysts.toml",
    ),
    "a reader without a policy": (
        "DROP ROW POLICY nobody ON audit.events;"
        "CREATE USER bi IDENTIFIED BY 'bi'; GRANT SELECT ON audit.* TO bi",
        "DROP USER bi; CREATE ROW POLICY nobody ON audit.events USING 0 TO ALL",
        "users without a row policy",
        "may read all organizations",
    ),
    "a migration that fails": (
        "INSERT INTO audit.dead_letters (kafka_offset, received_at) VALUES (1, now());"
        "ALTER TABLE audit.dead_letters UPDATE reason = toString(throwIf(kafka_offset = 1)) WHERE 1"
        " SETTINGS mutations_sync = 0",
        "KILL MUTATION WHERE database = 'audit'",
        "mutations",
        "",
    ),
    "an older view": (
        "CREATE OR REPLACE VIEW audit.events AS SELECT org_id FROM audit.events_store",
        "",
        "view audit.events",
        "it has the columns of another version",
    ),
}


def of_clickhouse(server):
    settings = CheckSettings.load(server.environment())
    with server.client("audit_checker") as client:
        return {finding.question: finding for finding in clickhouse_findings(client, settings)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_clickhouse_is_named(installed, fault):
    break_it, mend_it, question, seen = FAULTS[fault]
    assert question not in FAILED_AT_FIRST
    try:
        for statement in break_it.split(";"):
            installed.admin.command(statement)
        finding = eventually(lambda: a_failure(installed, question))
    finally:
        for statement in filter(None, mend_it.split(";")):
            installed.admin.command(statement)
    assert seen in finding.seen
    assert finding.remedy


FAILED_AT_FIRST = {"freshness"}


def a_failure(server, question):
    finding = of_clickhouse(server).get(question)
    return finding if finding and finding.verdict is Verdict.FAILED else None


def test_apart_from_the_consumer_nothing_is_wrong(installed):
    verdicts = of_clickhouse(installed)
    assert {q for q, f in verdicts.items() if f.verdict is Verdict.FAILED} == FAILED_AT_FIRST


def test_freshness_is_that_of_the_partition_that_is_furthest_behind(installed):
    now = datetime.now(UTC)
    with installed.client("audit_writer") as writer:
        for partition, behind in enumerate((1, 300)):
            writer.insert(
                "ingest_progress",
                [["audit.events.v1", partition, now - timedelta(seconds=behind), 2]],
                column_names=["kafka_topic", "kafka_partition", "settled_through", "partitions"],
                database="audit",
            )
    seen = of_clickhouse(installed)["freshness"].seen
    assert re.fullmatch(r"everything received until 3\d\d s ago is stored", seen)


def test_the_checker_reads_no_event(installed):
    with installed.client("audit_checker") as client:
        for what in (
            "actor_email FROM audit.events_store",
            "* FROM audit.people",
            "* FROM audit.events",
        ):
            with pytest.raises(ClickHouseError, match="Not enough privileges"):
                client.query(f"SELECT {what}")
