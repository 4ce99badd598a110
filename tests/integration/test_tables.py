"""What each user may see in ClickHouse, and for how long anything is kept."""

from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from tests.support.events import datum

from orgtrail_deploy.local.secrets import ANALYST, NEW_ANALYST
from orgtrail_schemas.tables import event_columns, migrations_folder


@pytest.fixture(scope="module")
def orgs(running):
    """One event of an organization that the analyst was granted, one of another."""
    for org in ("globex", "initech"):
        running.raw.send(datum(org_id=org), org.encode())
        running.wait_for(org, 1)


def test_the_view_has_the_frozen_columns(running):
    described = running.sql("DESCRIBE TABLE audit.events")
    assert [(row[0], row[1], row[4]) for row in described] == [
        (c.name, c.type, c.comment) for c in event_columns()
    ]


def test_an_analyst_sees_granted_organizations_only(running, orgs):
    rows = running.sql("SELECT DISTINCT org_id FROM audit.events", user=ANALYST.name)
    assert {row[0] for row in rows} == {"globex"} | ({"acme"} & {row[0] for row in rows})
    count = "SELECT count() FROM audit.events WHERE org_id = 'initech'"
    assert running.sql(count)[0][0] >= 1
    assert running.sql(count, user=ANALYST.name)[0][0] == 0


def test_an_analyst_without_a_grant_sees_nothing(running, orgs):
    assert running.sql("SELECT count() FROM audit.events", user=NEW_ANALYST.name)[0][0] == 0


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count() FROM audit.events_store",
        "SELECT count() FROM audit.dead_letters",
        "SELECT count() FROM audit.people",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "INSERT INTO audit.events_store (event) VALUES ('x')",
        "SELECT 1 SETTINGS max_execution_time = 100000",
        "SET short_circuit_function_evaluation = 'disable'",
        "CREATE TABLE audit.x (a Int8) ENGINE = Memory",
        "DROP TABLE audit.events_store",
        "TRUNCATE TABLE audit.events_store",
        "ALTER TABLE audit.events_store DELETE WHERE 1",
        "SYSTEM STOP MERGES audit.events_store",
        "CREATE USER x",
    ],
)
@pytest.mark.parametrize("user", [ANALYST.name, "audit_reader", "audit_export", "audit_writer"])
def test_nobody_may_do_more_than_their_part(running, user, query):
    allowed = {
        ("audit_reader", "SELECT count() FROM audit.events_store"),
        ("audit_reader", "SELECT count() FROM audit.dead_letters"),
        ("audit_reader", "SELECT count() FROM audit.people"),
        ("audit_writer", "INSERT INTO audit.events_store (event) VALUES ('x')"),
        ("audit_writer", "SELECT 1 SETTINGS max_execution_time = 100000"),
        ("audit_writer", "SET short_circuit_function_evaluation = 'disable'"),
    }
    if (user, query) in allowed:
        return
    with pytest.raises(DatabaseError):
        running.client(user).command(query)


def test_the_default_user_may_do_nothing(running):
    import httpx

    servers = running.stack.servers
    url = f"http://{servers.clickhouse_host}:{servers.clickhouse_port}/"
    answer = httpx.post(url, content="SELECT count() FROM audit.events")
    assert answer.status_code in (401, 403, 500, 516)
    # The embedded server holds the only session that this user may have.
    assert "AUTHENTICATION" in answer.text or "USER_SESSION_LIMIT_EXCEEDED" in answer.text


def _insert(running, org, at):
    running.client("audit_migrator").insert(
        "events_store",
        [[at, org, "user.login", at]],
        column_names=["occurred_at", "org_id", "event", "received_at"],
        database="audit",
    )


def test_nothing_past_the_retention_is_visible(running):
    now = datetime.now(UTC)
    for age in (89, 91):
        _insert(running, "retention", now - timedelta(days=age))
    assert running.sql("SELECT count() FROM audit.events WHERE org_id = 'retention'")[0][0] == 1
    assert len(running.events("retention")) == 1


def test_the_table_is_dropped_by_parts_after_90_days(running):
    now = datetime.now(UTC)
    _insert(running, "expired", now - timedelta(days=200))
    running.client("audit_migrator").command("OPTIMIZE TABLE audit.events_store FINAL")
    count = "SELECT count() FROM audit.events_store WHERE org_id = 'expired'"
    assert running.sql(count)[0][0] == 0
    (created,) = running.sql("SHOW CREATE TABLE audit.events_store")[0]
    assert "TTL toDateTime(occurred_at) + toIntervalDay(90)" in created
    assert "ttl_only_drop_parts = 1" in created


def test_migrating_again_changes_nothing(running):
    before = running.sql("SELECT version, md5 FROM audit.schema_versions ORDER BY version")
    running.stack.migrate()
    after = running.sql("SELECT version, md5 FROM audit.schema_versions ORDER BY version")
    assert list(before) == list(after)
    assert len(before) == len(list(migrations_folder().iterdir()))


def test_people_are_known(running, orgs):
    rows = running.sql("SELECT email FROM audit.people FINAL WHERE org_id = 'globex'")
    assert ("alice@acme.example",) in rows
