"""A broker that trusts nobody: each process works with exactly the rights of the documented table.

With one right fewer it says which one is missing, in one line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import msgspec
import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from tests.support.certificates import Authority
from tests.support.events import RawProducer
from tests.support.running import eventually
from tests.support.secure_kafka import ADMIN, SecureBroker
from tests.support.token_issuer import TokenIssuer

from orgtrail_consumers.dead_letters.producer import HEADER_DETAIL, HEADER_REASON, HEADER_SOURCE
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.process import Child
from orgtrail_deploy.local.secrets import load_secrets
from orgtrail_deploy.local.stack import PARTITIONS
from orgtrail_schemas.kafka_acls import processes
from orgtrail_schemas.topics import EVENTS_TOPIC

USERS = {name: name.replace(" ", "-") for name in processes()}
"""The Kafka user of each process of the table."""


class Secure:
    """The broker, and our commands as users of it, with the stack's ClickHouse."""

    def __init__(self, folder, running):
        self.folder, self.running = folder, running
        self.authority = Authority(folder / "authority")
        self.issuer = TokenIssuer({user: f"password of {user}" for user in USERS.values()})
        self.broker = SecureBroker(folder / "kafka", self.authority, self.issuer.document)
        self.broker.wait_ready()
        for name, user in USERS.items():
            self.broker.create_user(user, f"password of {user}")
            self.broker.grant(user, processes()[name].acl)

    def environment(self, user, **settings):
        """As an operator gives it: the password in a file."""
        secret = self.folder / f"{user}.password"
        secret.write_text(f"password of {user}\n")
        given = {
            "KAFKA_BROKERS": f"{LOOPBACK}:{self.broker.scram_port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD_FILE": str(secret),
            "KAFKA_CA_FILE": str(self.authority.file),
            "SPOOL_DIR": str(self.folder / "spool" / user / str(time.monotonic_ns())),
            **settings,
        }
        return {f"ORGTRAIL_{name}": value for name, value in given.items() if value is not None}

    def mtls(self, user):
        """The settings with which the same user signs in by certificate."""
        certificate, key = self.authority.issue(user, self.folder)
        nothing = dict.fromkeys(
            ("KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD_FILE")
        )
        return nothing | {
            "KAFKA_BROKERS": f"{LOOPBACK}:{self.broker.mtls_port}",
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            "KAFKA_CERTIFICATE_FILE": str(certificate),
            "KAFKA_KEY_FILE": str(key),
        }

    def oauth(self, _user):
        """The settings with which the same user signs in by a token."""
        return {
            "KAFKA_BROKERS": f"{LOOPBACK}:{self.broker.oauth_port}",
            "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "KAFKA_OAUTH_TOKEN_URL": f"{self.issuer.url}/token",
        }

    def way(self, name, user):
        """One of the three ways to sign in."""
        return {"scram": {}, "mtls": self.mtls(user), "oauth": self.oauth(user)}[name]

    def run(self, user, *command, **settings):
        done = subprocess.run(
            [sys.executable, "-m", "orgtrail_deploy.cli", *command],
            env=os.environ | self.environment(user, **settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def emit(self, org, user="producer", **settings):
        return self.run(user, "emit", "user.login", "--org", org, "--actor-id", "u-1", **settings)

    def check(self, **settings):
        """Without ClickHouse, so that the check does not wait for a consumer."""
        return self.run("checker", "check", CLICKHOUSE_PORT="1", **settings)

    @contextmanager
    def worker(self, user="consumer", **settings):
        (port,) = free_ports(1)
        stack = self.running.stack
        child = Child(
            "a consumer",
            [sys.executable, "-m", "orgtrail_deploy.cli", "consume"],
            log=self.folder / f"consumer-{port}.log",
            env=self.environment(
                user,
                WEB_PORT=str(port),
                DATA_DIR=str(self.folder / f"data-{port}"),
                CLICKHOUSE_PORT=str(stack.servers.clickhouse_port),
                CLICKHOUSE_WRITER_PASSWORD=load_secrets(stack.root).passwords["audit_writer"],
                **settings,
            ),
        )
        try:
            yield child, f"http://{LOOPBACK}:{port}/readyz"
        finally:
            child.kill()


@pytest.fixture(scope="module")
def secure(tmp_path_factory, running):
    made = Secure(tmp_path_factory.mktemp("secure"), running)
    try:
        done = made.run("migrator", "migrate", "--tables=false")
        assert (done.returncode, done.stdout) == (0, "Kafka: 2 topics created\n"), done.stderr
        yield made
    finally:
        made.broker.stop()
        made.issuer.close()


def ready(address):
    try:
        return httpx.get(address, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


WAYS = ("scram", "mtls", "oauth")


@pytest.mark.parametrize("way", WAYS)
def test_topics_are_migrated_again(secure, way):
    done = secure.run("migrator", "migrate", "--tables=false", **secure.way(way, "migrator"))
    assert (done.returncode, done.stdout) == (0, "Kafka: 0 topics created\n"), done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_an_event_goes_from_the_producer_to_the_readers(secure, running, way):
    with secure.worker(**secure.way(way, "consumer")) as (worker, address):
        eventually(lambda: ready(address) or not worker.running, 60)
        assert worker.running, worker.log.read_text()
        done = secure.emit(f"secure-{way}", **secure.way(way, "producer"))
        assert (done.returncode, done.stderr) == (0, "")
        running.wait_for(f"secure-{way}", 1)
        # A record that cannot be stored goes to the topic of dead letters.
        raw = RawProducer("", secure.broker.settings("producer", "password of producer"))
        raw.send(b"garbage", b"secure", partition=0)
        listed = eventually(lambda: with_letters(secure))
        assert listed.returncode == 0, listed.stderr


def with_letters(secure):
    done = secure.run("reader-of-dead-letters", "dlq", "list")
    return done if done.returncode or len(done.stdout.splitlines()) > 1 else None


@pytest.mark.parametrize("way", WAYS)
def test_dead_letters_are_shown_and_replayed(secure, way):
    reader, replayer = "reader-of-dead-letters", "replayer-of-dead-letters"
    shown = secure.run(reader, "dlq", "list", **secure.way(way, reader))
    assert shown.returncode == 0, shown.stderr
    replayed = secure.run(replayer, "dlq", "replay", **secure.way(way, replayer))
    assert replayed.returncode == 0, replayed.stderr


@pytest.mark.parametrize("way", WAYS)
def test_an_installation_is_checked(secure, way):
    with secure.worker() as (worker, address):
        eventually(lambda: ready(address) or not worker.running, 60)
        done = secure.check(**secure.way(way, "checker"))
    lines = [line.strip() for line in done.stdout.splitlines()]
    (failed,) = [line for line in lines if line.startswith("FAILED")]
    assert "sign in as audit_checker" in failed, done.stdout
    assert any(line.startswith("ok          topic audit.events.v1.dlq: ") for line in lines)
    assert any(re.match(r"ok +consumer group orgtrail: 1 consumer, ", line) for line in lines)
    assert any(line.startswith("ok          an event sent: acknowledged") for line in lines)
    assert (
        "not checked who may write events: the Kafka user lacks DescribeConfigs on the cluster"
        in lines
    )


@pytest.mark.parametrize("way", WAYS)
def test_the_group_is_rewound(secure, way):
    def rewind(*options):
        command = ("rewind", "2026-01-01T00:00:00Z", *options)
        done = secure.run("rewinder", *command, **secure.way(way, "rewinder"))
        assert done.returncode == 0 or "stop them first" in done.stderr, done.stderr
        return done.stdout.splitlines()

    # A worker that was killed is a member until its session ends.
    assert len(eventually(lambda: rewind("--dry-run"), 30)) == PARTITIONS + 1
    assert len(rewind()) == PARTITIONS + 1


def test_who_may_write_is_named(secure):
    done = secure.check(KAFKA_SASL_USERNAME=ADMIN, KAFKA_SASL_PASSWORD=ADMIN,
                        KAFKA_SASL_PASSWORD_FILE=None)  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if "who may write" in line]
    writers = (USERS[name] for name in ("producer", "checker", "replayer of dead letters"))
    assert line.partition("events: ")[2] == ", ".join(sorted(f"User:{name}" for name in writers))


def test_a_topic_that_somebody_changed_is_named(secure):
    admin = secure.broker.admin

    def change(kind):
        entry = ConfigEntry(
            "message.timestamp.type", kind, incremental_operation=AlterConfigOpType.SET
        )
        resource = ConfigResource(ResourceType.TOPIC, EVENTS_TOPIC, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(20)

    change("CreateTime")
    try:
        told = secure.check().stdout
    finally:
        change("LogAppendTime")
    assert "message.timestamp.type is CreateTime, not LogAppendTime" in told
    assert "→ run orgtrail migrate" in told


def fewer():
    """Each right of each process, and the others."""
    for name, process in processes().items():
        for n, acl in enumerate(process.acl):
            for operation in acl.operations:
                rest = tuple(o for o in acl.operations if o != operation)
                changed = msgspec.structs.replace(acl, operations=rest)
                rights = [*process.acl[:n], changed, *process.acl[n + 1 :]]
                yield pytest.param(
                    name, operation, acl, rights, id=f"{name}-{operation}-{acl.name}"
                )


@pytest.mark.parametrize(("name", "operation", "acl", "rights"), list(fewer()))
def test_one_right_fewer_is_named(secure, name, operation, acl, rights):
    user = USERS[name]
    secure.broker.grant(user, rights)
    try:
        told = " ".join(refusal(secure, name, user).split())
    finally:
        secure.broker.grant(user, processes()[name].acl)
    assert operation in told, told
    assert acl.name in told, told


def refusal(secure, name, user):
    """What the process says when it is refused."""
    if name == "consumer":
        with secure.worker() as (worker, _):
            eventually(lambda: not worker.running, 30)
            return worker.log.read_text()
    if name == "producer":
        done = secure.emit("acme")
        assert "1 spooled" in done.stderr
        return done.stderr
    if name == "checker":
        done = secure.check()
        return " ".join(line for line in done.stdout.splitlines() if "  FAILED " in line)
    if name == "migrator":
        for topic in (EVENTS_TOPIC, f"{EVENTS_TOPIC}.dlq"):
            secure.broker.admin.delete_topics([topic])[topic].result(20)
        try:
            first = secure.run(user, "migrate", "--tables=false")
            done = first if first.returncode else secure.run(user, "migrate", "--tables=false")
        finally:
            secure.broker.grant(user, processes()[name].acl)
            assert secure.run(user, "migrate", "--tables=false").returncode == 0
    elif name == "rewinder":
        done = eventually(lambda: without_members(secure, user), 30)
    else:
        put_dead_letter(secure)
        command = "replay" if "replayer" in name else "list"
        done = secure.run(user, "dlq", command)
    assert done.returncode == 1, (done.stdout, done.stderr)
    (line,) = [line for line in done.stderr.splitlines() if not line.endswith(" sent")]
    return line


def without_members(secure, user):
    """A worker that a test before killed is a member until its session ends."""
    done = secure.run(user, "rewind", "2026-01-01T00:00:00Z")
    return None if "stop them first" in done.stderr else done


def put_dead_letter(secure):
    """Of which the commands read, as the superuser."""
    headers = [(name, b"decode") for name in (HEADER_REASON, HEADER_DETAIL, HEADER_SOURCE)]
    raw = RawProducer("", secure.broker.settings(ADMIN, ADMIN))
    raw.send(b"garbage", b"k", topic=f"{EVENTS_TOPIC}.dlq", headers=headers, partition=0)


def test_a_stranger_and_a_wrong_password_are_refused(secure):
    secure.broker.create_user("stranger", "password of stranger")
    done = secure.emit("acme", user="stranger")
    assert "lacks Write on the topic" in done.stderr
    done = secure.emit("acme", KAFKA_SASL_PASSWORD="wrong", KAFKA_SASL_PASSWORD_FILE=None)
    assert "Authentication failed" in done.stderr
    done = secure.emit("acme", **secure.mtls("unknown"))
    assert "lacks Write on the topic" in done.stderr


def test_a_broker_of_another_authority_is_refused(secure, tmp_path):
    other = Authority(tmp_path)
    done = secure.emit("acme", KAFKA_CA_FILE=str(other.file))
    assert "1 spooled" in done.stderr
    assert "certificate verify failed" in done.stderr.lower()
