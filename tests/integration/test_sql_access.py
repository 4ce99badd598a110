"""``orgtrail access --apply`` on a server whose users are made by SQL, as a production server's."""

import re
import subprocess
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from tests.support.admin import ADMIN, admin_client, with_admin
from tests.support.installed_clickhouse import ANALYSTS, PASSWORDS, InstalledClickHouse
from tests.support.running import eventually
from tests.support.sql_clients import client_python

from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_schemas.access import users_xml

ORGS = ("acme", "globex", "initech", "umbrella:eu")


@pytest.fixture(scope="module")
def server(tmp_path_factory, running):
    made = InstalledClickHouse(
        tmp_path_factory.mktemp("clickhouse") / "server", running.stack.brokers
    )
    try:
        done = made.apply()
        assert done.returncode == 0, done.stderr
        done = made.run("migrate", "--topics=false")
        assert done.returncode == 0, done.stderr
        now = datetime.now(UTC)
        with made.client("audit_writer") as writer:
            writer.insert(
                "events_store",
                [[uuid4(), now, org, "user.login", now] for org in ORGS for _ in range(3)],
                column_names=["event_id", "occurred_at", "org_id", "event", "received_at"],
                database="audit",
            )
        yield made
    finally:
        made.clickhouse.stop()


COUNTED = "SELECT org_id, count() FROM audit.events GROUP BY org_id ORDER BY org_id"


def test_it_may_be_applied_again(server):
    done = server.run("access", "--apply")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"ClickHouse: \d+ access statements applied\. Services sign in from 127\.0\.0\.1,::1\n",
        done.stdout,
    )
    done = server.run("grants", "--apply")
    assert done.stdout == f"ClickHouse is equal to {server.list}: 3 analysts\n"
    assert server.ask("audit_export", COUNTED) == [(org, 3) for org in ORGS]


@pytest.mark.parametrize("analyst", ANALYSTS, ids=lambda a: a.name)
def test_an_analyst_reads_the_organizations_that_were_granted(server, analyst):
    everything = analyst.organizations == ("*",)
    granted = [org for org in ORGS if everything or org in analyst.organizations]
    assert server.ask(analyst.name, COUNTED) == [(org, 3) for org in granted]
    assert server.ask(
        analyst.name, "SELECT count() FROM audit.events WHERE org_id = 'initech'"
    ) == [(3 if "initech" in granted else 0,)]


def test_a_policy_holds_for_each_way_to_the_view(server):
    for source in ("merge('audit', '.*')", "view(SELECT * FROM audit.events)"):
        sql = f"SELECT DISTINCT org_id FROM {source} ORDER BY org_id"
        assert server.ask("ana", sql) == [("acme",), ("globex",)], source
    assert server.ask("ana", "SELECT name FROM system.tables WHERE database = 'audit'") == [
        ("events",)
    ]


def test_new_limits_reach_the_analysts_that_there_are(server):
    """A profile that is replaced would leave those who had it without any."""
    assert server.run("access", "--apply").returncode == 0
    assert server.ask("ana", "SELECT getSetting('readonly'), getSetting('max_execution_time')") == [
        (1, 300.0)
    ]
    (shown,) = server.admin.query("SHOW CREATE USER ana").result_rows
    assert shown[0].endswith("SETTINGS PROFILE `audit_analyst`")


def test_a_user_whom_nobody_gave_a_policy_reads_nothing(server):
    server.admin.command("CREATE USER OR REPLACE stranger IDENTIFIED BY 'stranger'")
    server.admin.command("GRANT SELECT ON audit.events TO stranger")
    assert server.ask("stranger", COUNTED) == []
    server.admin.command("DROP USER stranger")


def test_the_services_read_what_they_need(server):
    assert server.ask("audit_reader", "SELECT count() FROM audit.events_store FINAL") == [(12,)]
    assert server.ask("audit_export", "SELECT count() FROM audit.events") == [(12,)]
    for user, sql in (
        ("audit_reader", "SELECT count() FROM audit.events"),
        ("audit_export", "SELECT count() FROM audit.events_store"),
        ("audit_writer", "SELECT count() FROM audit.events_store"),
        ("audit_writer", "SELECT count() FROM audit.events"),
    ):
        with pytest.raises(ClickHouseError, match="Not enough privileges"):
            server.ask(user, sql)


REFUSED = (
    "SELECT * FROM audit.events_store",
    "SELECT * FROM audit.people",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.parts",
    "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
    "SELECT * FROM remote('127.0.0.1', audit.events_store)",
    "SELECT * FROM cluster('default', audit.events_store)",
    "SELECT * FROM executable('x', TSV, 'a String', (SELECT 1))",
    "INSERT INTO audit.events_store (org_id) VALUES ('acme')",
    "INSERT INTO FUNCTION file('x.csv') SELECT 1",
    "CREATE TABLE audit.own (a UInt8) ENGINE = Memory",
    "CREATE VIEW audit.own AS SELECT * FROM audit.events_store",
    "CREATE USER own",
    "ALTER USER ana IDENTIFIED BY 'x'",
    "ALTER ROW POLICY ana ON audit.events USING 1",
    "DROP ROW POLICY nobody ON audit.events",
    "GRANT SELECT ON audit.events_store TO ana",
    "KILL QUERY WHERE 1",
    "SYSTEM FLUSH LOGS",
    "BACKUP TABLE audit.events_store TO File('x')",
    "SET use_skip_indexes = 1",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "EXECUTE AS audit_export SELECT * FROM audit.events",
)


@pytest.mark.parametrize("sql", REFUSED)
def test_an_analyst_may_do_nothing_else(server, sql):
    with server.client("ana") as client, pytest.raises(ClickHouseError):
        client.command(sql)


SENT = {
    "max_execution_time": 60,
    "max_memory_usage": 1_000_000_000,
    "max_result_rows": 1000,
    "result_overflow_mode": "break",
    "session_timezone": "Europe/Berlin",
    "date_time_output_format": "iso",
    "join_use_nulls": 1,
    "log_comment": "a dashboard",
}


@pytest.mark.parametrize("name", SENT)
def test_clients_and_bi_tools_may_send_settings(server, name):
    answer = server.post("ana", COUNTED, {name: SENT[name]})
    assert (answer.status_code, answer.text) == (200, "acme\t3\nglobex\t3\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_execution_time", 0),
        ("max_execution_time", 301),
        ("max_memory_usage", 0),
        ("max_memory_usage", 4_000_000_001),
        ("max_block_size", 1_000_000),
        ("readonly", 2),
        ("use_skip_indexes", 1),
        ("use_query_condition_cache", 1),
        ("short_circuit_function_evaluation", "disable"),
        ("optimize_move_to_prewhere_if_final", 1),
        ("additional_table_filters", "{'audit.events': '1'}"),
        ("max_threads", 1000),
    ],
)
def test_no_client_changes_what_limits_it(server, name, value):
    answer = server.post("ana", "SELECT 1", {name: value})
    assert answer.status_code >= 400
    assert re.search("READONLY|SETTING_CONSTRAINT_VIOLATION", answer.text)


def test_nobody_signs_in_as_the_definer_who_may_do_nothing_but_read_one_table(server):
    for password in ("", "audit_definer", "0" * 64):
        with pytest.raises(ClickHouseError, match="Authentication failed"):
            clickhouse_connect.get_client(
                host=LOOPBACK,
                port=server.node.http_port,
                username="audit_definer",
                password=password,
            )
    users = [name for (name,) in server.admin.query("SHOW USERS").result_rows]
    # The server itself makes a copy of the definer. It never loses a grant, so it must have few.
    definers = [name for name in users if "definer" in name]
    assert "audit_migrator:definer" not in users
    for name in definers:
        grants = [g for (g,) in server.admin.query(f"SHOW GRANTS FOR `{name}`").result_rows]
        assert [g.split(" TO ")[0] for g in grants] == ["GRANT SELECT ON audit.events_store"]


def test_the_view_runs_with_the_settings_of_whoever_reads_it(server):
    """Analysts may use no skip indexes: what is skipped tells of other organizations' values."""
    explain = "EXPLAIN indexes = 1 SELECT count() FROM audit.events WHERE ip = '192.0.2.7'"
    assert "ip_idx" not in str(server.ask("ana", explain))
    assert "ip_idx" in str(server.ask("audit_export", explain))


def test_users_sign_in_from_the_networks_that_the_operator_named(server):
    done = server.apply(CLICKHOUSE_ANALYSTS_FROM="192.0.2.0/24, 2001:db8::/32")
    assert done.returncode == 0, done.stderr
    with pytest.raises(ClickHouseError, match="Authentication failed"):
        server.ask("ana", "SELECT 1")
    assert server.ask("audit_export", "SELECT 1") == [(1,)]
    assert server.apply().returncode == 0
    assert server.ask("ana", "SELECT 1") == [(1,)]


def test_what_is_no_network_is_refused_in_one_line(server):
    done = server.apply(CLICKHOUSE_SERVICES_FROM="10.0.0.0/33")
    assert done.returncode == 1
    assert done.stderr == (
        "orgtrail: ORGTRAIL_CLICKHOUSE_SERVICES_FROM: '10.0.0.0/33' does not appear to be an IPv4 or"
        " IPv6 network\n"
    )


def test_a_quota_ends_an_analysts_queries(server):
    server.admin.command(
        "ALTER QUOTA audit_analyst FOR INTERVAL 3600 second MAX queries = 3, execution_time = 7200"
    )
    try:
        with pytest.raises(ClickHouseError, match=r"Quota .* has been exceeded"):
            for _ in range(5):
                server.ask("ana", "SELECT count() FROM audit.events")
        assert server.ask("all_of_them", "SELECT 1") == [(1,)]
    finally:
        assert server.apply().returncode == 0


def test_a_definer_without_the_table_breaks_the_view_and_not_the_server(server):
    """The view reads with the definer's grants, not with its reader's or its creator's."""
    server.admin.command("REVOKE SELECT ON audit.events_store FROM audit_definer")
    revoked = [n for (n,) in server.admin.query("SHOW USERS").result_rows if n.endswith(":definer")]
    for name in revoked:
        server.admin.command(f"REVOKE SELECT ON audit.events_store FROM `{name}`")
    try:
        with pytest.raises(ClickHouseError, match="Not enough privileges"):
            server.ask("audit_export", "SELECT count() FROM audit.events")
    finally:
        assert server.apply().returncode == 0
        assert server.run("migrate", "--topics=false").returncode == 0
    assert server.ask("audit_export", "SELECT count() FROM audit.events") == [(12,)]


def test_a_grant_and_a_revocation_hold_at_once_and_are_events(server, running):
    granted = server.run("grant", "ana", "initech", "umbrella:eu")
    assert granted.returncode == 0, granted.stderr
    assert granted.stdout == (
        "ana: granted initech\nana: granted umbrella:eu\n"
        f"ClickHouse is equal to {server.list}: 3 analysts\n"
    )
    assert server.ask("ana", COUNTED) == [(org, 3) for org in ORGS]
    revoked = server.run("revoke", "ana", "initech", "umbrella:eu")
    assert revoked.stdout.startswith("ana: revoked initech\nana: revoked umbrella:eu\n")
    assert server.ask("ana", COUNTED) == [("acme", 3), ("globex", 3)]
    # Whatever else the file says stays.
    assert 'ana = ["acme", "globex"]' in server.list.read_text()
    assert "# Kept by operators." in server.list.read_text()
    second, first = eventually(lambda: changes(running, "initech"))
    assert (first["event"], second["event"]) == (
        "org.audit-log.access-granted",
        "org.audit-log.access-revoked",
    )
    for event in (first, second):
        assert [target["id"] for target in event["targets"]] == ["ana"]
        assert event["metadata"] == {"organizations": "initech"}
        assert "@" in event["actor"]["id"]


def changes(running, org):
    keys = ["org.audit-log.access-granted", "org.audit-log.access-revoked"]
    found = running.get(f"/v1/orgs/{org}/events", org=org, event=keys).json()["events"]
    return found if len(found) == 2 else None


def test_a_new_analyst_needs_a_password_and_all_organizations_may_be_granted(server, running):
    refused = server.run("grant", "eve", "--all")
    assert refused.returncode == 1
    assert refused.stderr == (
        "orgtrail: set ORGTRAIL_CLICKHOUSE_EVE_PASSWORD: a new analyst needs a password."
        " Nothing is applied yet\n"
    )
    shown = server.run("grants")
    assert shown.returncode == 1
    assert "eve: all\n  ClickHouse: no such user\n" in shown.stdout
    granted = server.run("grant", "eve", "--all", CLICKHOUSE_EVE_PASSWORD="eve", OPERATOR_ORG="ops")
    assert granted.returncode == 0, granted.stderr
    assert "eve: granted all\n" in granted.stdout
    assert server.ask("eve", COUNTED) == [(org, 3) for org in ORGS]
    shown = server.run("grants")
    assert (shown.returncode, shown.stdout.count("ClickHouse")) == (0, 0)
    assert server.run("revoke", "eve", OPERATOR_ORG="ops").returncode == 0
    with pytest.raises(ClickHouseError, match="Authentication failed"):
        server.ask("eve", "SELECT 1")
    # Who comes back finds nothing of the earlier grant.
    policies = "SELECT count() FROM system.row_policies WHERE short_name = 'eve'"
    assert server.admin.query(policies).result_rows == [(0,)]
    assert [e["metadata"] for e in eventually(lambda: changes(running, "ops"))] == [
        {"organizations": "all"}
    ] * 2


def test_the_server_is_made_equal_to_the_list(server):
    server.admin.command(
        "CREATE USER OR REPLACE left IDENTIFIED BY 'left' SETTINGS PROFILE 'audit_analyst'"
    )
    server.admin.command("GRANT SELECT ON audit.events TO left")
    server.admin.command("CREATE ROW POLICY OR REPLACE ana ON audit.events USING 1 TO ana")
    server.admin.command("GRANT SELECT ON audit.people TO ana")
    shown = server.run("grants")
    assert shown.returncode == 1
    assert "ana: acme, globex\n  ClickHouse: all\n" in shown.stdout
    assert "left: nothing\n  ClickHouse: nothing\n" in shown.stdout
    assert server.run("grants", "--apply").returncode == 0
    assert server.ask("ana", COUNTED) == [("acme", 3), ("globex", 3)]
    with pytest.raises(ClickHouseError, match="Not enough privileges"):
        server.ask("ana", "SELECT * FROM audit.people")
    with pytest.raises(ClickHouseError, match="Authentication failed"):
        server.ask("left", "SELECT 1")
    assert server.run("grants").returncode == 0


def test_without_a_list_nobody_is_dropped(server, tmp_path):
    """An operator who upgrades, or is in another folder, must not drop everybody by accident."""
    absent = {"ANALYSTS_FILE": str(tmp_path / "absent.toml")}
    applied = server.run("grants", "--apply", **absent)
    granted = server.run("grant", "ana", "acme", **absent)
    assert (applied.returncode, granted.returncode) == (1, 1)
    assert "absent.toml does not exist" in applied.stderr
    assert "ClickHouse has analysts (all_of_them, ana, nobody_yet)" in granted.stderr
    assert not (tmp_path / "absent.toml").exists()
    assert server.run("grants").returncode == 0


def test_a_running_query_of_an_analyst_who_is_revoked_ends(server):
    server.run("grant", "slow", "acme", CLICKHOUSE_SLOW_PASSWORD="slow")
    ended = []

    def ask():
        try:
            server.ask(
                "slow",
                "SELECT sleepEachRow(0.1) FROM numbers(2000)",
                settings={"max_block_size": 1},
            )
        except ClickHouseError as error:
            ended.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    working = "SELECT count() FROM system.processes WHERE user = 'slow'"
    eventually(lambda: server.admin.query(working).result_rows == [(1,)])
    assert server.run("revoke", "slow").returncode == 0
    asking.join(10)
    assert not asking.is_alive()
    assert len(ended) == 1


def queried(running, org):
    """The events of reading with SQL, oldest first."""
    params = {"event": "org.audit-log.queried", "order": "oldest", "limit": "1000"}
    return running.get(f"/v1/orgs/{org}/events", org=org, **params).json()["events"]


@contextmanager
def analyst(server, name, *orgs):
    """Somebody who is granted these organizations for a while."""
    granted = server.run("grant", name, *orgs, **{f"CLICKHOUSE_{name.upper()}_PASSWORD": name})
    assert granted.returncode == 0, granted.stderr
    try:
        yield
    finally:
        assert server.run("revoke", name).returncode == 0


def record(server, **settings):
    server.admin.command("SYSTEM FLUSH LOGS")
    done = server.run("record-queries", **settings)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ queries of audit.events recorded\n", done.stdout)


def test_reads_with_sql_are_events_of_each_organization_that_was_granted(server, running):
    with analyst(server, "lee", "read-a", "read-b"):
        with pytest.raises(ClickHouseError):
            server.ask("lee", "SELECT throwIf(count() = 0) FROM audit.events WHERE actor_id = 'x'")
        for value in ("secret-1", "secret-2"):
            server.ask("lee", f"SELECT count() FROM audit.events WHERE actor_id = '{value}'")
        for other in ("ana", "all_of_them"):
            server.ask(other, COUNTED)
        # What does not read the view is no event.
        server.ask("lee", "SELECT 1")
        record(server)
    found = eventually(lambda: (f := queried(running, "read-a")) and len(f) == 3 and f)
    assert [event["outcome"] for event in found] == ["failure", "success", "success"]
    assert "secret" not in str(found)
    # The same query with another value has the same fingerprint.
    assert len({event["metadata"]["fingerprint"] for event in found}) == 2
    for event in found:
        assert event["actor"]["id"] == "lee"
        assert event["context"]["ip"] == LOOPBACK
    assert [event["metadata"]["rows_returned"] for event in found] == ["0", "1", "1"]
    eventually(lambda: len(queried(running, "read-b")) == 3)
    for org in ("acme", "operator"):
        eventually(lambda org=org: queried(running, org))
    assert "lee" not in [event["actor"]["id"] for event in queried(running, "acme")]
    assert {event["actor"]["id"] for event in queried(running, "acme")} == {"ana"}
    assert "all_of_them" in {event["actor"]["id"] for event in queried(running, "operator")}


def test_reads_are_recorded_once_however_often_the_command_runs(server, running):
    with analyst(server, "mia", "read-c"):
        server.ask("mia", "SELECT min(occurred_at) FROM audit.events")
        record(server)
        first = eventually(lambda: queried(running, "read-c"))
        record(server)
        server.ask("mia", "SELECT max(occurred_at) FROM audit.events")
        record(server)
    found = eventually(lambda: (f := queried(running, "read-c")) and len(f) > 1 and f)
    assert found[:1] == first
    assert len(found) == 2


AS_A_SERVER = """
import sys
from clickhouse_driver import Client
from clickhouse_driver.clientinfo import ClientInfo

ClientInfo.QueryKind.INITIAL_QUERY = ClientInfo.QueryKind.SECONDARY_QUERY
port, user, password, sql = sys.argv[1:]
print(Client("127.0.0.1", port, user=user, password=password).execute(sql, query_id="the-same"))
"""


def test_no_query_hides_from_the_record(server, running):
    """Read by another name, as a server asks another one, or under the ID of an earlier query."""
    before = len(queried(running, "globex"))

    def as_a_server(sql):
        port = str(server.node.tcp_port)
        command = [client_python(), "-c", AS_A_SERVER, port, "ana", PASSWORDS["ana"], sql]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    server.ask("ana", "SELECT count() FROM merge('audit', '^events$')")
    as_a_server("SELECT count() FROM audit.events")
    as_a_server("SELECT max(occurred_at) FROM audit.events")
    record(server)
    eventually(lambda: len(queried(running, "globex")) == before + 3)


def test_the_log_of_a_user_who_is_gone_is_the_operators(server, running):
    with analyst(server, "ida", "read-d"):
        server.ask("ida", "SELECT min(occurred_at) FROM audit.events")
    record(server, OPERATOR_ORG="ops-2")
    found = eventually(lambda: queried(running, "ops-2"))
    assert "ida" in {event["actor"]["id"] for event in found}


def test_a_query_log_that_cannot_be_read_is_told_in_one_line(server):
    done = server.run("record-queries", CLICKHOUSE_RECORDER_PASSWORD="wrong")
    assert done.returncode == 1
    assert done.stderr.startswith("orgtrail: cannot read the query log of 127.0.0.1: ")
    assert done.stderr.count("\n") == 1
    server.admin.command("DROP TABLE system.query_log")
    done = server.run("record-queries")
    assert done.returncode == 1
    assert "there is none: see <query_log>" in done.stderr


DIFFERENT = {
    "CREATE ROW POLICY nobody ON audit.events FOR SELECT USING 0 TO ALL",
    "CREATE ROW POLICY services ON audit.events FOR SELECT USING 1 TO audit_export, audit_migrator,"
    " audit_reader",
}
"""Only SQL has policies for all users, and for those with one of their own."""


def shown(client, *, without):
    lines = {line for (line,) in client.query("SHOW ACCESS").result_rows}
    return {line for line in lines if not re.search(without, line)}


def test_a_file_of_users_and_sql_mean_the_same(server, tmp_path):
    """The local stack's users are in a file: what is tried there must hold for a real server."""
    http, tcp = free_ports(2)
    node = ClickHouseNode(folder=tmp_path / "file", http_port=http, tcp_port=tcp)
    other = ClickHouse(node, with_admin(users_xml(PASSWORDS, ANALYSTS)))
    try:
        other.wait_ready()
        # The users of the servers themselves, and what ClickHouse adds when a view is created.
        own = rf"\b({ADMIN}|default|keep_alive)\b|:definer"
        of_file = shown(admin_client(http), without=own)
        of_sql = shown(server.admin, without=own) - DIFFERENT
    finally:
        other.stop()
    # A policy of a file is named after its user as well, but for its database and table.
    assert of_sql == of_file
