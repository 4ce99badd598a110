"""ClickHouse behind TLS, with a certificate of a private authority that is replaced while in use."""

import re
import ssl
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
from tests.support.certificates import Authority
from tests.support.installed_clickhouse import InstalledClickHouse
from tests.support.proxy import Proxy
from tests.support.running import eventually
from tests.support.service import own_service

from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.process import Child


class Secure:
    def __init__(self, folder, running):
        self.folder, self.running = folder, running
        self.clickhouse = InstalledClickHouse(folder / "clickhouse", running.stack.brokers)
        self.authority = Authority(folder / "authority")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.replace_certificate()
        (port,) = free_ports(1)
        self.proxy = Proxy(port, self.clickhouse.node.http_port, self._context)
        self.settings = {
            "CLICKHOUSE_HOST": "localhost",
            "CLICKHOUSE_PORT": str(port),
            "CLICKHOUSE_SECURE": "true",
            "CLICKHOUSE_CA_FILE": str(self.authority.file),
        }

    def replace_certificate(self):
        """For the connections that begin from now on."""
        self._context.load_cert_chain(*self.authority.issue("clickhouse", self.folder))

    def run(self, *command, **settings):
        return self.clickhouse.run(*command, **self.settings | settings)

    @contextmanager
    def worker(self, **settings):
        """Of a group of its own: what it stores is nobody else's."""
        (port,) = free_ports(1)
        child = Child(
            "a consumer",
            [sys.executable, "-m", "orgtrail_deploy.cli", "consume"],
            log=self.folder / f"consumer-{port}.log",
            env=self.clickhouse.environment(
                **self.settings
                | settings
                | {
                    "WEB_PORT": str(port),
                    "DATA_DIR": str(self.folder / f"data-{port}"),
                    "CONSUMER_GROUP": "secure-clickhouse",
                }
            ),
        )
        try:
            yield child, f"http://{LOOPBACK}:{port}/readyz"
        finally:
            child.kill()

    def stored(self, org):
        sql = "SELECT count() FROM audit.events_store WHERE org_id = {org:String}"
        return self.clickhouse.admin.query(sql, {"org": org}).result_rows[0][0]


@pytest.fixture(scope="module")
def secure(tmp_path_factory, running):
    made = Secure(tmp_path_factory.mktemp("secure"), running)
    try:
        for command in (
            ("access", "--apply"),
            ("grants", "--apply"),
            ("migrate", "--topics=false"),
        ):
            done = made.run(*command)
            assert done.returncode == 0, done.stderr
        yield made
    finally:
        made.proxy.close()
        made.clickhouse.clickhouse.stop()


@pytest.mark.parametrize(
    "command",
    [
        ("access", "--apply"),
        ("migrate", "--topics=false"),
        ("grants", "--apply"),
        ("grants",),
        ("record-queries",),
    ],
    ids=" ".join,
)
def test_the_commands_of_operators(secure, command):
    secure.clickhouse.admin.command("SYSTEM FLUSH LOGS")
    done = secure.run(*command)
    assert done.returncode == 0, done.stderr


def test_the_consumer_goes_on_when_the_certificate_is_replaced(secure):
    with secure.worker() as (worker, address):
        assert secure.run("emit", "user.login", "--org", "tls-1", "--actor-id", "u").returncode == 0
        eventually(lambda: secure.stored("tls-1") or not worker.running, 60)
        assert worker.running, worker.log.read_text()
        secure.replace_certificate()
        # Whoever was connected connects again.
        secure.proxy.cut()
        secure.proxy.mend()
        assert secure.run("emit", "user.login", "--org", "tls-2", "--actor-id", "u").returncode == 0
        eventually(lambda: secure.stored("tls-2"), 60)
        eventually(lambda: httpx.get(address).status_code == 200)


def test_the_query_service_reads_and_exports(secure, running, tmp_path):
    settings = {name.lower(): value for name, value in secure.settings.items()}
    passwords = {
        f"clickhouse_{who}_password": f"password of audit_{who}" for who in ("reader", "export")
    }
    now = datetime.now(UTC)
    with secure.clickhouse.client("audit_writer") as writer:
        writer.insert(
            "events_store",
            [[uuid4(), now, "tls-read", "user.login", now]],
            column_names=["event_id", "occurred_at", "org_id", "event", "received_at"],
            database="audit",
        )
    with own_service(running, tmp_path, **settings | passwords) as service:
        token = running.token("tls-read")
        found = service.get("/v1/orgs/tls-read/events", token)
        assert (found.status_code, len(found.json()["events"])) == (200, 1)
        exported = service.get("/v1/orgs/tls-read/events/export.csv", token)
        assert exported.text.count("user.login") == 1


def test_a_certificate_of_another_authority_is_refused_in_one_line(secure, tmp_path):
    other = str(Authority(tmp_path).file)
    for command in (("access", "--apply"), ("migrate", "--topics=false"), ("record-queries",)):
        done = secure.run(*command, CLICKHOUSE_CA_FILE=other)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "certificate verify failed" in done.stderr, done.stderr
    # A consumer asks ClickHouse as soon as there is something to store.
    assert secure.run("emit", "user.login", "--org", "tls-3", "--actor-id", "u").returncode == 0
    with secure.worker(CLICKHOUSE_CA_FILE=other) as (worker, address):
        # Whatever is first in its partitions: an event, or a record that is set aside.
        reason = re.compile("(write|dead_letter): OperationalError")
        eventually(lambda: reason.search(_readiness(address)) or not worker.running, 60)
        assert worker.running, worker.log.read_text()


def _readiness(address):
    try:
        return httpx.get(address, timeout=2).text
    except httpx.HTTPError:
        return ""
