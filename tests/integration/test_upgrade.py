"""A table of an earlier version is migrated while events are read and written."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from tests.support.admin import admin_client, with_admin
from tests.support.earlier import BEFORE, content, make_earlier_tables
from tests.support.rows import LARGEST, ORDINARY
from tests.support.running import eventually

from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.secrets import ANALYSTS, load_secrets
from orgtrail_deploy.migrate_tables import migrate_tables
from orgtrail_schemas.access import access, users_xml
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret
from orgtrail_schemas.tables import migrations_folder

ROWS = 100_000


@pytest.fixture(scope="module")
def passwords(tmp_path_factory):
    return load_secrets(tmp_path_factory.mktemp("secrets")).passwords


@pytest.fixture(scope="module")
def server(tmp_path_factory, passwords):
    http, tcp = free_ports(2)
    folder = tmp_path_factory.mktemp("clickhouse")
    node = ClickHouseNode(folder=folder, http_port=http, tcp_port=tcp)
    made = ClickHouse(node, with_admin(users_xml(passwords, ANALYSTS)))
    made.wait_ready()
    yield made
    made.stop()


def connection(server):
    return ClickHouseSettings(host=LOOPBACK, port=server.node.http_port)


def migrate(server, passwords):
    return migrate_tables(connection(server), "audit_migrator", Secret(passwords["audit_migrator"]))


@pytest.fixture(scope="module")
def earlier(server, passwords):
    """Events in the table of the earlier version; the client of an administrator."""
    client = admin_client(server.node.http_port)
    make_earlier_tables(connection(server), Secret(passwords["audit_migrator"]), client, ROWS)
    return client


def filtered(client):
    query = (
        "SELECT count() FROM audit.events WHERE org_id = {org:String} AND actor_email = {who:String}"
        " AND outcome = 'success' AND country != 'XX' AND has(targets.type, 'user')"
    )
    return client.query(query, {"org": LARGEST, "who": ORDINARY}).result_rows


def test_events_stay_as_they_were_and_arrive_meanwhile(server, passwords, earlier):
    before, found = content(earlier), filtered(earlier)
    types = earlier.query("DESCRIBE TABLE audit.events").result_rows
    assert before[0][0] > ROWS * 0.9
    stop, written, errors = threading.Event(), [], []

    def write():
        client = admin_client(server.node.http_port)
        while not stop.is_set() or len(written) < 5:
            now = datetime.now(UTC)
            try:
                client.insert(
                    "events_store",
                    [
                        [
                            f"018f0000-0000-7000-8000-{len(written):012d}",
                            now,
                            "new",
                            "user.login",
                            "FR",
                            now,
                        ]
                    ],
                    column_names=[
                        "event_id",
                        "occurred_at",
                        "org_id",
                        "event",
                        "country",
                        "received_at",
                    ],
                    database="audit",
                    # The consumers' profile comes before the migrations.
                    settings=access().profiles["audit_writer"],
                )
                written.append(now)
                assert content(client) == before
            except Exception as error:
                errors.append(error)
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        applied = migrate(server, passwords)
        pending = "SELECT count() FROM system.mutations WHERE NOT is_done AND database = 'audit'"
        eventually(lambda: earlier.query(pending).result_rows == [(0,)], 120)
    finally:
        stop.set()
        writer.join()
    assert errors == []
    assert applied == len(list(migrations_folder().iterdir())) - BEFORE
    assert content(earlier) == before
    assert filtered(earlier) == found
    assert earlier.query("DESCRIBE TABLE audit.events").result_rows == types
    counted = earlier.query("SELECT count() FROM audit.events WHERE org_id = 'new'").result_rows
    assert counted == [(len(written),)]
    failed = "SELECT count() FROM system.mutations WHERE latest_fail_reason != ''"
    assert earlier.query(failed).result_rows == [(0,)]


def test_merged_with_new_parts_they_are_still_the_same(server, passwords, earlier):
    before = content(earlier)
    earlier.command("OPTIMIZE TABLE audit.events_store FINAL")
    assert content(earlier) == before
