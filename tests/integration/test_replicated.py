"""The migrations on replicated tables: one replica, with a real ZooKeeper."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from uuid import uuid4

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from tests.support.installed_clickhouse import PASSWORDS, InstalledClickHouse
from tests.support.replicated import ReplicatedClickHouse
from tests.support.running import eventually
from tests.support.zookeeper import ZooKeeper

from orgtrail_consumers.storage.writer import Writer
from orgtrail_deploy import migrate_tables as module
from orgtrail_deploy.local.clickhouse import ClickHouseNode
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import Secret
from orgtrail_schemas.tables import migration_variables, migrations_folder

TABLES = ("dead_letters", "events_store", "ingest_progress", "people")


def replicated(_cluster):
    """As ``--cluster`` has it, but for ON CLUSTER, which this server cannot run."""
    return migration_variables("main") | {"ON_CLUSTER": ""}


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory):
    made = ZooKeeper(tmp_path_factory.mktemp("zookeeper") / "server")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(zookeeper, running, tmp_path_factory):
    http, tcp = free_ports(2)
    folder = tmp_path_factory.mktemp("clickhouse") / "server"
    node = ClickHouseNode(folder=folder, http_port=http, tcp_port=tcp, connects=(zookeeper.port,))
    made = InstalledClickHouse(folder, running.stack.brokers, ReplicatedClickHouse, node)
    try:
        done = made.apply()
        assert done.returncode == 0, done.stderr
        migrate(made)
        ((applied,),) = made.admin.query("SELECT count() FROM audit.schema_versions").result_rows
        assert applied == len(list(migrations_folder().glob("*.sql")))
        yield made
    finally:
        made.clickhouse.stop()


def settings(server):
    return ClickHouseSettings(host=LOOPBACK, port=server.node.http_port)


def migrate(server):
    with patch.object(module, "migration_variables", replicated):
        return module.migrate_tables(
            settings(server), "audit_migrator", Secret(PASSWORDS["audit_migrator"])
        )


def store(server, org, number, when=None):
    now = datetime.now(UTC)
    with server.client("audit_writer") as writer:
        writer.insert(
            "events_store",
            [[str(uuid4()), when or now, org, "user.login", now] for _ in range(number)],
            column_names=["event_id", "occurred_at", "org_id", "event", "received_at"],
            database="audit",
        )


def test_every_table_is_replicated_and_has_a_place_of_its_own(server):
    found = server.admin.query(
        "SELECT name, engine FROM system.tables WHERE database = 'audit'"
        " AND engine LIKE '%MergeTree' AND name != 'schema_versions' ORDER BY name"
    ).result_rows
    assert found == [(name, "ReplicatedReplacingMergeTree") for name in TABLES]
    paths = server.admin.query("SELECT zookeeper_path FROM system.replicas").result_rows
    assert len(set(paths)) == len(TABLES)
    readonly = "SELECT table FROM system.replicas WHERE is_readonly"
    assert server.admin.query(readonly).result_rows == []


def test_migrating_again_applies_nothing(server):
    assert migrate(server) == 0


def test_events_are_stored_merged_and_read_once(server):
    when = datetime.now(UTC) - timedelta(hours=1)
    for _ in range(3):
        store(server, "replicated", 5, when)
    server.admin.command("OPTIMIZE TABLE audit.events_store FINAL")
    counted = "SELECT count() FROM audit.events WHERE org_id = 'replicated'"
    assert server.ask("audit_export", counted) == [(15,)]
    # Sent again, as after a kill: readers see each event once.
    again = "INSERT INTO audit.events_store SELECT * FROM audit.events_store WHERE org_id = 'replicated'"
    server.admin.command(again, settings={"insert_deduplicate": 0})
    assert server.ask("audit_export", counted) == [(15,)]


def test_alterations_of_the_migrations_reach_the_replica(server):
    types = dict(
        server.admin.query(
            "SELECT name, type FROM system.columns WHERE database = 'audit'"
            " AND table = 'events_store'"
        ).result_rows
    )
    assert (types["outcome"], types["event"]) == ("String", "LowCardinality(String)")
    pending = "SELECT count() FROM system.mutations WHERE database = 'audit' AND NOT is_done"
    eventually(lambda: server.admin.query(pending).result_rows == [(0,)])
    indexes = server.admin.query(
        "SELECT name FROM system.data_skipping_indices WHERE table = 'events_store'"
    ).result_rows
    assert ("tokens_idx",) in indexes


def test_an_insert_counts_once_all_replicas_have_it(server, rows):
    def insert(quorum):
        Writer(settings(server), "audit_writer", Secret(PASSWORDS["audit_writer"]), quorum).insert(
            "events_store", rows
        )

    insert(0)
    insert(1)
    # There is one: with two wanted, the consumer has to wait, and nothing is set aside.
    with pytest.raises(ClickHouseError, match="TOO_FEW_LIVE_REPLICAS"):
        insert(2)


@pytest.fixture
def rows():
    from tests.support.batches import RESOLVERS, FakeRecord, decode, find_current
    from tests.support.events import datum

    from orgtrail_consumers.kafka.batch import Batch
    from orgtrail_consumers.kafka.records import Records
    from orgtrail_consumers.steps.enrich import enrich

    values = [datum(org_id="quorum")]
    batch = Batch("audit.events.v1", 0, Records.of([FakeRecord(values[0])]))
    return enrich(decode(values, find_current), batch, RESOLVERS, 0).rows
