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


def test_dbt_builds_views_of_what_was_granted(server, dbt):
    assert set(FILES) == {"dbt_project.yml", "profiles.yml", "models/logins_by_day.sql"}
    assert "All checks passed!" in dbt("debug")
    dbt("build")
    rows = "SELECT org_id, sum(logins) FROM ana.logins_by_day GROUP BY org_id ORDER BY org_id"
    assert server.ask("ana", rows) == [("acme", 3), ("globex", 3)]
    store(server, datetime.now(UTC))
    assert server.ask("ana", rows) == [("acme", 6), ("globex", 6)]
    dbt("build")
    assert server.ask("ana", rows) == [("acme", 6), ("globex", 6)]


def test_reads_of_its_views_are_recorded(server, dbt, running):
    dbt("build")
    server.ask("ana", "SELECT sum(logins) AS only_here FROM ana.logins_by_day")
    server.admin.command("SYSTEM FLUSH LOGS")
    ((fingerprint,),) = server.admin.query(
        "SELECT DISTINCT hex(normalized_query_hash) FROM system.query_log"
        " WHERE user = 'ana' AND query LIKE '%only_here%'"
    ).result_rows
    done = server.run("record-queries", OPERATOR_ORG="workspaces")
    assert done.returncode == 0, done.stderr

    def recorded():
        asked = {"event": "org.audit-log.queried", "limit": 1000}
        page = running.get("/v1/orgs/globex/events", org="globex", **asked)
        return [e["metadata"]["fingerprint"] for e in page.json()["events"]].count(fingerprint)

    eventually(lambda: recorded() == 1)


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
    "CREATE TABLE ana.mine (x UInt8) ENGINE = MergeTree ORDER BY x",
    "CREATE TABLE ana.mine (x UInt8) ENGINE = Memory",
    "CREATE TABLE ana.mine ENGINE = MergeTree ORDER BY x SETTINGS disk = 'default' AS SELECT 1 AS x",
    "CREATE TEMPORARY TABLE mine (x UInt8)",
    "CREATE MATERIALIZED VIEW ana.mine ENGINE = MergeTree ORDER BY x AS SELECT 1 AS x",
    "CREATE MATERIALIZED VIEW ana.mine REFRESH EVERY 1 HOUR (x UInt8) ENGINE = Memory AS SELECT 1 AS x",
    "ATTACH TABLE ana.mine (x UInt8) ENGINE = MergeTree ORDER BY x",
    "ATTACH TABLE ana.mine FROM '/tmp/x' (x UInt8) ENGINE = MergeTree ORDER BY x",
    "RENAME TABLE audit.events TO ana.events",
    "DROP DATABASE ana",
    "CREATE DICTIONARY ana.d (x UInt64) PRIMARY KEY x SOURCE(FILE(path '/etc/passwd' format 'CSV'))"
    " LAYOUT(FLAT()) LIFETIME(1)",
    "BACKUP DATABASE ana TO File('/tmp/own')",
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


def test_nothing_takes_the_place_of_another_table(server):
    """Under its UUID, an object would have the storage table's files."""
    ((number,),) = server.admin.query(
        "SELECT uuid FROM system.tables WHERE database = 'audit' AND name = 'events_store'"
    ).result_rows
    counted = server.ask("audit_reader", "SELECT count() FROM audit.events_store")
    for verb in ("CREATE", "ATTACH"):
        for what in (
            f"TABLE ana.steal UUID '{number}' (x Int8) ENGINE = MergeTree ORDER BY x",
            f"VIEW ana.steal UUID '{number}' AS SELECT 1",
            f"MATERIALIZED VIEW ana.steal UUID '{number}' TO ana.other AS SELECT 1",
        ):
            with pytest.raises(ClickHouseError):
                server.ask("ana", f"{verb} {what}")
    assert server.ask("ana", "EXISTS TABLE ana.steal") == [(0,)]
    everything = "SELECT count(), countIf(NOT ignore(*)) FROM audit.events_store"
    assert server.admin.query(everything).result_rows == [(counted[0][0], counted[0][0])]


def test_views_with_an_owner_read_nothing_and_hold_up_no_revocation(server, running):
    """ClickHouse makes a user of its own for them, which is no analyst."""
    server.ask(
        "ana",
        "CREATE VIEW ana.mine DEFINER = CURRENT_USER SQL SECURITY DEFINER AS"
        " SELECT org_id FROM audit.events",
    )
    assert server.ask("ana", "SELECT count() FROM ana.mine") == [(0,)]
    users = {row[0] for row in server.admin.query("SELECT name FROM system.users").result_rows}
    assert "ana:definer" in users
    assert server.run("grants").returncode == 0
    server.list.write_text(LIST.replace("nobody_yet", "somebody"))
    try:
        env = {"OPERATOR_ORG": "workspaces", "CLICKHOUSE_SOMEBODY_PASSWORD": "p"}
        done = server.run("grants", "--apply", **env)
        assert done.returncode == 0, done.stderr
        assert "nobody_yet: revoked nothing-stored" in done.stdout
        server.list.write_text('[analysts]\nsomebody = ["acme"]\n')
        done = server.run("grants", "--apply", **env)
        assert done.returncode == 0, done.stderr
        assert "ana: revoked acme" in done.stdout
        with pytest.raises(ClickHouseError):
            server.ask("ana", "SELECT 1")
    finally:
        server.list.write_text(LIST)
        done = server.run("grants", "--apply", OPERATOR_ORG="workspaces")
        assert done.returncode == 0, done.stderr
        server.admin.command("DROP VIEW ana.mine")


def test_a_database_of_somebody_else_is_not_taken_over(server):
    server.admin.command("CREATE DATABASE theirs COMMENT 'Sales'")
    try:
        for name in ("theirs", "ana"):
            server.list.write_text(
                f'[analysts]\nana = ["acme"]\nbob = ["acme"]\n[workspaces]\nbob = "{name}"\n'
            )
            done = server.run("grants", "--apply", CLICKHOUSE_BOB_PASSWORD="p")
            assert done.returncode == 1
            assert f"the database {name} exists and was not made for bob" in done.stderr
        assert server.ask("ana", "SELECT count() > 0 FROM audit.events WHERE org_id = 'globex'")
    finally:
        server.list.write_text(LIST)
        server.admin.command("DROP DATABASE theirs")


CONSTANT = [name for name in access().constant["audit_workspace"] if "merge_tree" not in name]


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.parametrize("way", ["query", "session", "view"])
def test_what_would_reveal_others_or_hide_a_query_cannot_be_set(server, name, way):
    kept = access().profiles["audit_workspace"][name]
    other = {"enable": "disable", "QUERY_START": "EXCEPTION_WHILE_PROCESSING"}.get(
        kept, "0" if kept == 1 else "1"
    )
    sql = {
        "query": f"SELECT count() FROM audit.events SETTINGS {name} = '{other}'",
        "session": f"SET {name} = '{other}'",
        "view": f"CREATE VIEW ana.s AS SELECT org_id FROM audit.events SETTINGS {name} = '{other}'",
    }[way]
    answer = server.post("ana", sql, {})
    assert answer.status_code == 500
    assert f"Setting {name} should not be changed" in answer.text
    answer = server.post("ana", "SELECT count() FROM audit.events", {name: other})
    assert f"Setting {name} should not be changed" in answer.text
    # Within a query it has no effect.
    within = f"SELECT s FROM (SELECT getSetting('{name}') AS s SETTINGS {name} = '{other}')"
    assert server.ask("ana", within) == server.ask("ana", f"SELECT getSetting('{name}')")


def test_limits_may_be_lowered_and_not_raised(server):
    sql = "SELECT getSetting('max_execution_time')"
    assert server.post("ana", sql, {"max_execution_time": 10}).text == "10\n"
    assert "shouldn't be greater" in server.post("ana", sql, {"max_execution_time": 301}).text


def test_the_list_is_compared_and_made_equal(server):
    server.ask("ana", "CREATE OR REPLACE VIEW ana.kept AS SELECT 1")
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
