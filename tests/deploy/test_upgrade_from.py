"""Every earlier version of the tables: upgraded with data in them, old and new side by side."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from tests.support.admin import admin_client, with_admin
from tests.support.running import eventually
from tests.support.versions import Version, earlier_versions, events, newest_migration
from uuid_utils import uuid7

from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.ports import free_ports
from orgtrail_deploy.local.process import Child
from orgtrail_deploy.local.secrets import ANALYSTS, load_secrets
from orgtrail_schemas.access import users_xml

VERSIONS = earlier_versions()
EACH = 40


def test_the_history_is_there():
    """Without it (a shallow clone) nothing below would be tested."""
    assert len(VERSIONS) >= 6


class Servers:
    """A ClickHouse, and the Kafka of the stack, with the settings of either version."""

    def __init__(self, folder, brokers, name):
        http, tcp = free_ports(2)
        self.folder = folder
        passwords = load_secrets(folder).passwords
        node = ClickHouseNode(folder=folder / "clickhouse", http_port=http, tcp_port=tcp)
        self.clickhouse = ClickHouse(node, with_admin(users_xml(passwords, ANALYSTS)))
        self.clickhouse.wait_ready()
        self.admin = admin_client(http)
        # The first versions read them from options only.
        self.addresses = (f"--kafka-brokers={brokers}", f"--clickhouse-port={http}")
        self.settings = {
            "ORGTRAIL_KAFKA_BROKERS": brokers,
            "ORGTRAIL_CLICKHOUSE_PORT": str(http),
            "ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD": passwords["audit_writer"],
            "ORGTRAIL_CLICKHOUSE_MIGRATOR_PASSWORD": passwords["audit_migrator"],
            # As the first version read it.
            "AUDIT_MIGRATOR_PASSWORD": passwords["audit_migrator"],
            "ORGTRAIL_CONSUMER_GROUP": name,
            "ORGTRAIL_SPOOL_DIR": str(folder / "spool"),
        }

    @contextmanager
    def consumer(self, name, command, environment):
        (port,) = free_ports(1)
        child = Child(
            name,
            command,
            log=self.folder / f"{name}.log",
            env=environment
            | {
                "ORGTRAIL_WEB_PORT": str(port),
                "ORGTRAIL_DATA_DIR": str(self.folder / name),
            },
        )
        try:
            yield child
        finally:
            child.stop(20)
        # Whatever it logs, it must not be that it could not go on.
        assert "consumer_stop" not in child.log.read_text("utf-8", errors="replace")

    def wait(self, reached):
        """On a busy machine an old version takes its time; its log says why it does not store."""
        try:
            eventually(reached, 180)
        except AssertionError as late:
            ends = [log.read_text("utf-8", errors="replace")[-3000:] for log in self.logs]
            raise AssertionError("\n".join(["not stored", *ends])) from late

    @property
    def logs(self):
        return sorted(self.folder.glob("*.log"))

    def stored(self, org):
        rows = self.admin.query(
            "SELECT toString(event_id), toJSONString(tuple(* EXCEPT (event_id, occurred_at,"
            " received_at, ingested_at, kafka_partition, kafka_offset)))"
            " FROM audit.events WHERE org_id = {org:String}",
            {"org": org},
        ).result_rows
        return [row[0] for row in rows], {row[1] for row in rows}


def today(*words):
    return [sys.executable, "-m", "orgtrail_deploy.cli", *words]


@pytest.mark.parametrize(
    "commit", VERSIONS, ids=lambda c: f"migration-{newest_migration(c)}-{c[:7]}"
)
def test_an_upgrade_loses_nothing_while_old_and_new_run_side_by_side(running, tmp_path, commit):
    old = Version(commit)
    org = f"upgrade-{commit[:12]}"
    servers = Servers(tmp_path, running.stack.brokers, org)
    sent = []

    def emit(version=None):
        ids = [str(uuid7()) for _ in range(EACH)]
        lines = events(org, ids)
        if version:
            version.run("emit", settings=servers.settings, stdin=lines)
        else:
            environment = os.environ | servers.settings
            subprocess.run(today("emit"), env=environment, input=lines, text=True, check=True)
        sent.extend(ids)

    def all_are_stored():
        ids, contents = servers.stored(org)
        return sorted(ids) == sorted(sent) and len(contents) == 1

    try:
        old.run("migrate", *servers.addresses, settings=servers.settings)
        with servers.consumer("old", old.command("consume"), old.environment(servers.settings)):
            emit(old)
            servers.wait(lambda: len(servers.stored(org)[0]) == EACH)
            assert newest_migration(commit) == max(
                servers.admin.query("SELECT max(version) FROM audit.schema_versions").result_rows[0]
            )
            # In the order of docs/operations.md: tables, consumers, SDK.
            done = Child(
                "migrate", today("migrate"), log=tmp_path / "migrate.log", env=servers.settings
            )
            eventually(lambda: not done.running, 60)
            assert "views recreated" in (tmp_path / "migrate.log").read_text()
            emit(old)
            servers.wait(all_are_stored)
            with servers.consumer("new", today("consume"), servers.settings):
                emit(old)
                emit()
                servers.wait(all_are_stored)
        with servers.consumer("newer", today("consume"), servers.settings):
            emit(old)
            emit()
            servers.wait(all_are_stored)
    finally:
        servers.clickhouse.stop()
