"""Offsets: committed after the insert is acknowledged, and not before."""

import signal
import subprocess
import sys
import time

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from tests.support.events import datum
from tests.support.running import eventually

from orgtrail_deploy.local.ports import free_ports
from orgtrail_deploy.local.servers import LocalServers
from orgtrail_schemas.topics import EVENTS_TOPIC


@pytest.fixture
def freeze(running):
    """Freeze and thaw ClickHouse: it takes connections and answers nothing."""
    servers = running.stack.servers

    def send(number):
        if isinstance(servers, LocalServers):
            servers.clickhouse.child.signal(number)
        elif number is signal.SIGSTOP:
            servers.pause_clickhouse()
        else:
            servers.unpause_clickhouse()

    yield send
    send(signal.SIGCONT)


def committed(running, group="orgtrail"):
    consumer = Consumer({"bootstrap.servers": running.stack.brokers, "group.id": group})
    places = [TopicPartition(EVENTS_TOPIC, n) for n in range(4)]
    found = {p.partition: p.offset for p in consumer.committed(places, timeout=10)}
    consumer.close()
    return found


def test_an_offset_is_committed_only_after_the_insert_is_acknowledged(running, freeze):
    def stored():
        # By SQL: reading through the API is recorded, by a record in the same partition.
        return running.sql("SELECT count() FROM audit.events WHERE org_id = 'frozen'")[0][0]

    partition, offset = running.raw.send(datum(org_id="frozen"), b"frozen")
    eventually(lambda: stored() == 1)
    eventually(lambda: committed(running)[partition] == offset + 1)

    freeze(signal.SIGSTOP)
    running.raw.send(datum(org_id="frozen"), b"frozen")
    time.sleep(3)
    assert committed(running)[partition] == offset + 1

    freeze(signal.SIGCONT)
    eventually(lambda: stored() == 2)
    eventually(lambda: committed(running)[partition] == offset + 2)


def test_a_consumer_that_was_killed_is_followed_without_loss(running):
    for number in range(200):
        running.raw.send(datum(org_id="killed"), b"killed")
        if number == 100:
            running.stack.consumer.kill()
    running.stack.start_consumer()
    events = running.wait_for("killed", 200)
    assert len(events) == 200


def test_a_topic_with_create_time_is_refused(running, tmp_path):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": running.stack.brokers})
    for future in admin.create_topics([NewTopic("create-time", 1, 1)]).values():
        future.result(20)
    from tests.support.up import orgtrail

    env = running.stack.environment()
    done = orgtrail("consume", env=env | {"ORGTRAIL_TOPIC": "create-time"})
    assert done.returncode == 1
    assert "message.timestamp.type=CreateTime" in done.stderr
    assert "Traceback" not in done.stderr
    missing = orgtrail("consume", env=env | {"ORGTRAIL_TOPIC": "missing"})
    assert "run orgtrail migrate" in missing.stderr


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_read(running, codec):
    from orgtrail import Actor

    with running.producer(compression=codec) as producer:
        for _ in range(50):
            producer.emit("user.login", org_id=f"codec-{codec}", actor=Actor(id="u-1"))
    assert len(running.wait_for(f"codec-{codec}", 50)) == 50


def test_the_worker_is_alive_and_ready(running):
    port = running.stack.settings.consumer_web_port
    assert httpx.get(f"http://127.0.0.1:{port}/livez").text == "ok\n"
    eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200)


def test_metrics_hold_no_data_of_events(running):
    port = running.stack.settings.consumer_web_port
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert "orgtrail_consumer_events_total" in text
    assert "acme" not in text
    assert "@" not in text


DEFECT = """
import sys
import orgtrail_consumers.pipeline as pipeline
from orgtrail_consumers.cli import consume

def broken(rows):
    raise KeyError(rows["org_id"].to_pylist())

pipeline.people = broken
sys.exit(consume())
"""


def test_a_defect_stops_the_worker_and_commits_nothing(running):
    """The worker ends with an error, the group's offsets stay, and the log repeats no event."""
    running.raw.send(datum(org_id="defect-org"), b"defect-org")
    running.wait_for("defect-org", 1)
    env = running.stack.environment() | {
        "ORGTRAIL_CONSUMER_GROUP": "defect",
        "ORGTRAIL_WEB_PORT": str(free_ports(1)[0]),
    }
    done = subprocess.run(
        [sys.executable, "-c", DEFECT],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "KeyError at" in done.stderr
    assert "defect-org" not in done.stderr + done.stdout
    assert set(committed(running, "defect").values()) == {-1001}
