"""An analyst with a workspace: dbt as docs/clients.md shows it, and what stays forbidden."""

import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from tests.support.installed_clickhouse import PASSWORDS, InstalledClickHouse
from tests.support.running import eventually
from tests.support.sql_clients import PAGE, client_python

from orgtrail_schemas.access import access

LIST = """
[analysts]
ana = ["acme", "globex"]
nobody_yet = ["nothing-stored"]
all_of_them = "all"

[workspaces]
ana = "ana"
all_of_them = "team_data"
"""
SECTION = PAGE.read_text("utf-8").partition("\n## dbt\n")[2]
FILES = dict(re.findall(r"`([\w/.]+\.(?:yml|sql))`[^`]*?:\n\n```\w+\n(.*?)```", SECTION, re.DOTALL))
ORGS = ("acme", "globex", "initech")


@pytest.fixture(scope="module")
def server(tmp_path_factory, running):
    folder = tmp_path_factory.mktemp("clickhouse") / "server"
    made = InstalledClickHouse(folder, running.stack.brokers)
    try:
        made.list.write_text(LIST)
        done = made.apply(OPERATOR_ORG="workspaces")
        assert done.returncode == 0, done.stderr
        assert "ana: granted workspace ana" in done.stdout
        done = made.run("migrate", "--topics=false")
        assert done.returncode == 0, done.stderr
        store(made, datetime.now(UTC) - timedelta(days=1))
        yield made
    finally:
        made.clickhouse.stop()


def store(server, when):
    with server.client("audit_writer") as writer:
        writer.insert(
            "events_store",
            [[uuid4(), when, org, "user.login", when] for org in ORGS for _ in range(3)],
            column_names=["event_id", "occurred_at", "org_id", "event", "received_at"],
            database="audit",
        )


@pytest.fixture(scope="module")
def dbt(server, tmp_path_factory):
    """Runs a command of dbt in the project of the page."""
    project = tmp_path_factory.mktemp("dbt")
    for name, text in FILES.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text.replace("8123", str(server.node.http_port)))

    def run(*command):
        done = subprocess.run(
            [client_python().with_name("dbt"), *command, "--no-send-anonymous-usage-stats"],
            cwd=project,
            env=os.environ | {"CLICKHOUSE_PASSWORD": PASSWORDS["ana"], "DBT_PROFILES_DIR": "."},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_dbt_builds_tables_of_what_was_granted(server, dbt):
    assert set(FILES) == {"dbt_project.yml", "profiles.yml", "models/logins_by_day.sql"}
    assert "All checks passed!" in dbt("debug")
    dbt("build")
    rows = "SELECT org_id, sum(logins) FROM ana.logins_by_day GROUP BY org_id ORDER BY org_id"
    assert server.ask("ana", rows) == [("acme", 3), ("globex", 3)]
    store(server, datetime.now(UTC))
    # The second run adds, and counts no day twice.
    for _ in range(2):
        dbt("build")
        assert server.ask("ana", rows) == [("acme", 6), ("globex", 6)]


def test_its_reads_are_recorded(server, dbt, running):
    dbt("build", "--full-refresh")
    server.admin.command("SYSTEM FLUSH LOGS")
    done = server.run("record-queries", OPERATOR_ORG="workspaces")
    assert done.returncode == 0, done.stderr

    def recorded():
        page = running.get("/v1/orgs/globex/events", org="globex", event="org.audit-log.queried")
        return [e for e in page.json()["events"] if "dbt" in e["context"]["user_agent"]]

    assert eventually(recorded)


REFUSED = (
    "SELECT * FROM audit.events_store",
    "INSERT INTO audit.events_store (org_id) VALUES ('acme')",
    "CREATE TABLE audit.mine (x UInt8) ENGINE = MergeTree ORDER BY x",
    "CREATE TABLE default.mine (x UInt8) ENGINE = MergeTree ORDER BY x",
    "CREATE TABLE team_data.mine (x UInt8) ENGINE = MergeTree ORDER BY x",
    "SELECT * FROM team_data.theirs",
    "CREATE DATABASE another",
    "CREATE TABLE ana.f (x String) ENGINE = File(CSV)",
    "CREATE TABLE ana.u (x String) ENGINE = URL('http://127.0.0.1/', CSV)",
    "CREATE TABLE ana.d AS audit.events ENGINE = Distributed('default', 'audit', 'events_store')",
    "CREATE TABLE ana.m AS audit.events ENGINE = Merge('audit', '.*')",
    "INSERT INTO FUNCTION url('http://127.0.0.1/', CSV, 'x String') SELECT 1",
    "INSERT INTO FUNCTION file('out.csv', CSV, 'x String') SELECT 1",
    "SELECT * FROM url('http://127.0.0.1/', CSV, 'x String')",
    "CREATE VIEW ana.v DEFINER = audit_definer SQL SECURITY DEFINER AS SELECT * FROM audit.events_store",
    "CREATE USER eve IDENTIFIED BY 'eve'",
    "ALTER USER ana SETTINGS PROFILE default",
    "DROP ROW POLICY ana ON audit.events",
    "SELECT * FROM system.query_log",
    "CREATE FUNCTION f AS (x) -> x",
    "SYSTEM FLUSH LOGS",
)


@pytest.mark.parametrize("sql", REFUSED)
def test_a_workspace_opens_nothing_else(server, sql):
    server.admin.command("CREATE TABLE IF NOT EXISTS team_data.theirs (x Int8) ENGINE = Memory")
    with pytest.raises(ClickHouseError, match=r"Not enough privileges|ACCESS_DENIED"):
        server.ask("ana", sql)


@pytest.mark.parametrize("name", access().constant["audit_workspace"])
@pytest.mark.parametrize("way", ["query", "session", "table"])
def test_what_would_reveal_others_or_hide_a_query_cannot_be_set(server, name, way):
    kept = access().profiles["audit_workspace"][name]
    other = {"enable": "disable", "QUERY_START": "EXCEPTION_WHILE_PROCESSING"}.get(
        kept, "0" if kept == 1 else "1"
    )
    sql = {
        "query": f"SELECT count() FROM audit.events SETTINGS {name} = '{other}'",
        "session": f"SET {name} = '{other}'",
        "table": "CREATE TABLE ana.s ENGINE = MergeTree ORDER BY org_id AS SELECT org_id"
        f" FROM audit.events SETTINGS {name} = '{other}'",
    }[way]
    answer = server.post("ana", sql, {})
    assert answer.status_code == 500
    assert f"Setting {name} should not be changed" in answer.text
    answer = server.post("ana", "SELECT count() FROM audit.events", {name: other})
    assert f"Setting {name} should not be changed" in answer.text


def test_limits_may_be_lowered_and_not_raised(server):
    sql = "SELECT getSetting('max_execution_time')"
    assert server.post("ana", sql, {"max_execution_time": 10}).text == "10\n"
    assert "shouldn't be greater" in server.post("ana", sql, {"max_execution_time": 301}).text


def test_what_is_written_is_limited(server):
    ((limit,),) = server.admin.query(
        "SELECT max_written_bytes FROM system.quota_limits WHERE quota_name = 'audit_workspace'"
    ).result_rows
    assert limit == 20_000_000_000
    users = server.admin.query(
        "SELECT apply_to_list FROM system.quotas WHERE name = 'audit_workspace'"
    ).result_rows
    assert sorted(users[0][0]) == ["all_of_them", "ana"]


def test_the_list_is_compared_and_made_equal(server):
    server.ask("ana", "CREATE TABLE IF NOT EXISTS ana.kept (x Int8) ENGINE = MergeTree ORDER BY x")
    assert server.run("grants").stdout.splitlines() == [
        "ana: acme, globex, workspace ana",
        "nobody_yet: nothing-stored",
        "all_of_them: all, workspace team_data",
    ]
    server.list.write_text(LIST.replace('ana = "ana"\n', 'nobody_yet = "later"\n'))
    try:
        told = server.run("grants")
        assert told.returncode == 1
        assert "  ClickHouse: acme, globex, workspace ana\n" in told.stdout
        done = server.run("grants", "--apply", OPERATOR_ORG="workspaces")
        assert done.stdout.splitlines()[:2] == [
            "ana: revoked workspace ana",
            "nobody_yet: granted workspace later",
        ]
        with pytest.raises(ClickHouseError, match="Not enough privileges"):
            server.ask("ana", "SELECT * FROM ana.kept")
        # Of the ordinary kind again.
        assert server.ask("ana", "SELECT getSetting('readonly')") == [(1,)]
        assert server.run("grants").returncode == 0
    finally:
        server.list.write_text(LIST)
        server.run("grants", "--apply", OPERATOR_ORG="workspaces")


def test_a_workspace_is_an_event_of_the_operators(server, running):
    def recorded():
        page = running.get(
            "/v1/orgs/workspaces/events", org="workspaces", event="org.audit-log.access-granted"
        )
        return {
            event["targets"][0]["id"]: event["metadata"]["workspace"]
            for event in page.json()["events"]
            if "workspace" in event["metadata"]
        }

    eventually(lambda: {"ana": "ana", "all_of_them": "team_data"}.items() <= recorded().items())
