"""The drill: ClickHouse is lost, a new one is restored from a backup, and no event is missing."""

import re
import shlex
import shutil
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from tests.support.installed_clickhouse import InstalledClickHouse
from tests.support.running import eventually
from tests.support.sql_users import SqlClickHouse

from orgtrail import Actor
from orgtrail_deploy.local.ports import free_ports
from orgtrail_deploy.local.process import Child

ORG, GROUP = "drill", "drill"
EVENTS = (
    "SELECT * EXCEPT ingested_at FROM audit.events WHERE org_id = 'drill'"
    " AND NOT startsWith(event, 'org.audit-log.') ORDER BY event_id"
)


class BackedUpClickHouse(SqlClickHouse):
    """It may write backups into its folder, as an operator configures it."""

    def _config(self):
        root = ElementTree.fromstring(super()._config())
        backups = ElementTree.SubElement(root, "backups")
        ElementTree.SubElement(backups, "allowed_path").text = str(self.node.folder / "backups")
        return ElementTree.tostring(root, encoding="unicode")


@pytest.fixture
def make_server(tmp_path, running):
    """Makes servers in folders of their own, without users or tables."""
    made = []

    def make(name):
        server = InstalledClickHouse(tmp_path / name, running.stack.brokers, BackedUpClickHouse)
        made.append(server)
        return server

    yield make
    for server in made:
        server.clickhouse.stop()


def run(server, *command, code=0):
    done = server.run(
        *command,
        BACKUP_TO=f"File('{server.node.folder}/backups/{{name}}.tar.zst')",
        CONSUMER_GROUP=GROUP,
        OPERATOR_ORG=ORG,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def worker(server, folder):
    (port,) = free_ports(1)
    child = Child(
        "a consumer",
        [sys.executable, "-m", "orgtrail_deploy.cli", "consume"],
        log=folder / f"consumer-{port}.log",
        env=server.environment(
            CONSUMER_GROUP=GROUP, WEB_PORT=str(port), DATA_DIR=str(folder / f"data-{port}")
        ),
    )
    try:
        yield child
    finally:
        child.stop(20)


def emit(running, count):
    with running.producer() as audit:
        for _ in range(count):
            audit.emit("user.login", org_id=ORG, actor=Actor(id="u-1", email="u-1@drill.example"))


def events(server):
    return server.ask("audit_export", EVENTS)


def wait_for(server, count):
    eventually(lambda: len(events(server)) == count, 60)
    # Its progress is written, too: that is what a backup is complete up to.
    newest = "SELECT max(received_at) FROM audit.events_store WHERE org_id = 'drill'"
    behind = f"SELECT min(settled_through) > ({newest}) FROM audit.ingest_progress FINAL"
    eventually(lambda: server.ask("audit_reader", behind)[0][0], 60)


def through(text):
    return re.search(r"complete up to (\S+Z)", text)[1]


def test_a_server_is_lost_and_restored_and_nothing_is_missing(make_server, running, tmp_path):
    lost = make_server("lost")
    assert lost.apply().returncode == 0
    run(lost, "migrate")
    with worker(lost, tmp_path):
        emit(running, 200)
        wait_for(lost, 200)
        first = run(lost, "backup", "monday")
        emit(running, 100)
        wait_for(lost, 300)
        second = run(lost, "backup", "tuesday", "--base=monday")
        assert through(first) < through(second)
        # What came after the backup is in Kafka only, once the server is gone.
        emitted = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        emit(running, 50)
        wait_for(lost, 350)
        told = run(lost, "rewind", "2026-01-01T00:00:00Z", code=1)
        assert "group drill has 1 consumers: stop them first" in told
    before = events(lost)
    lost.clickhouse.stop()

    found = make_server("found")
    shutil.copytree(lost.node.folder / "backups", found.node.folder / "backups")
    assert "cannot restore" in run(found, "restore", "sunday", code=1)
    # The backups are in another place now.
    assert "monday-tables" in run(found, "restore", "tuesday", code=1)
    told = run(found, "restore", "tuesday", "--base=monday")
    # Progress went on while the backup was written.
    assert through(first) < through(second) <= through(told) < emitted
    assert "cannot restore" in run(found, "restore", "tuesday", "--base=monday", code=1)
    # As it is printed.
    for command in re.findall(r"orgtrail ([^&\n]+)", told):
        run(found, *shlex.split(command))
    assert len(events(found)) == 300
    with worker(found, tmp_path):
        wait_for(found, 350)
        assert events(found) == before
        assert found.ask("ana", "SELECT count() FROM audit.events WHERE org_id = 'drill'") == [(0,)]
        checked = run(found, "check")
    assert "0 failed" in checked


def test_a_backup_says_what_is_wrong_in_one_line(make_server, running):
    server = make_server("alone")
    for command, env, told in (
        (("backup", "x"), {}, "ORGTRAIL_BACKUP_TO: must name a place with {name} in it"),
        (("backup", "../x"), {}, "'../x' is not a backup name"),
        (("backup", "x"), {"BACKUP_TO": "File('{name}')"}, "cannot back up"),
        (("restore", "x"), {"BACKUP_TO": "Disk('nowhere', '{name}')"}, "cannot restore"),
        (("rewind", "2026-01-01T00:00:00"), {}, "has no time zone"),
    ):
        done = server.run(*command, **env)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert told in line, line
