"""Kafka killed, frozen, unreachable, and one of three brokers killed while it leads."""

import signal
import time

import pytest
from confluent_kafka.admin import AdminClient
from tests.chaos.arena import arena_of
from tests.chaos.conftest import TALLY
from tests.chaos.load import Load
from tests.support.running import eventually

from orgtrail_consumers.kafka.topic import validate_topic
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_schemas.topics import EVENTS_TOPIC


def some_stored(arena):
    eventually(arena.stored, 60)


def test_killed_and_restarted(arena, prove, rounds):
    with Load(arena.brokers, rate=1_000) as load:
        worker = arena.start_consumer().wait_ready()
        for _ in range(rounds):
            some_stored(arena)
            arena.kafka[0].child.kill()
            time.sleep(2)
            arena.kafka[0].restart()
            arena.kafka[0].wait_ready()
            TALLY["kills of Kafka"] += 1
            time.sleep(2)
        prove(load, 90)
        assert worker.child.running


@pytest.mark.long
def test_frozen(arena, prove):
    """For longer than the session timeout: it is forgotten by the group and joins again."""
    with Load(arena.brokers, rate=1_000) as load:
        worker = arena.start_consumer().wait_ready()
        some_stored(arena)
        arena.kafka[0].child.signal(signal.SIGSTOP)
        time.sleep(6)
        arena.kafka[0].child.signal(signal.SIGCONT)
        prove(load, 90)
        assert worker.child.running


@pytest.mark.long
def test_unreachable(arena, prove):
    """A network that breaks: connections end, and new ones are refused."""
    with Load(arena.brokers, rate=1_000) as load:
        worker = arena.start_consumer().wait_ready()
        some_stored(arena)
        arena.kafka_proxies[0].cut()
        time.sleep(8)
        eventually(lambda: worker.readiness()[0] == 503)
        assert "Kafka" in worker.readiness()[1]
        arena.kafka_proxies[0].mend()
        prove(load, 90)
        assert worker.child.running
        eventually(lambda: worker.readiness()[0] == 200)


def settings_of(arena):
    return ConsumerSettings(kafka_brokers=arena.brokers, clickhouse_writer_password="x")


def test_without_copies_nothing_is_added_to_the_margin(arena):
    assert validate_topic(settings_of(arena)) == 5_000


@pytest.fixture
def three_brokers(tmp_path):
    with arena_of(tmp_path / "three", brokers=3) as made:
        yield made


@pytest.mark.long
def test_the_leading_broker_of_three_is_killed(three_brokers, prove):
    """Replication 3, min.insync.replicas 2, acks=all: what was acknowledged is on the others."""
    admin = AdminClient({"bootstrap.servers": three_brokers.brokers})
    topic = admin.list_topics(EVENTS_TOPIC, timeout=20).topics[EVENTS_TOPIC]
    assert {len(p.isrs) for p in topic.partitions.values()} == {3}
    # Kafka's default of replica.lag.time.max.ms is 30 s.
    assert validate_topic(settings_of(three_brokers)) == 5_000 + 45_000
    leader = topic.partitions[0].leader
    with Load(three_brokers.brokers, rate=500) as load:
        three_brokers.start_consumer().wait_ready()
        some_stored(three_brokers)
        three_brokers.kafka[leader - 1].child.kill()
        TALLY["kills of Kafka"] += 1
        time.sleep(5)
        prove(load, 120, on=three_brokers)
