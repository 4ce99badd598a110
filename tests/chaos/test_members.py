"""Consumers that join, leave and are killed under load: every event once, none lost."""

import time
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer
from tests.benchmarks.workload import messages
from tests.support.consumers import start_another
from tests.support.running import eventually

from orgtrail_deploy.local.ports import free_ports
from orgtrail_schemas.topics import EVENTS_TOPIC

EVENTS = 24_000


@pytest.mark.long
def test_members_come_and_go_under_load(running):
    """Two join, the first is killed, one leaves, one joins, while events keep arriving."""
    producer = Producer({"bootstrap.servers": running.stack.brokers, "linger.ms": 5})
    others = []
    sent = set()

    def join():
        others.append(start_another(running, free_ports(1)[0]))

    def kill_the_first_that_joined():
        others[0].kill()

    def leave():
        running.stack.consumer.stop()

    steps = {
        4_000: join,
        8_000: join,
        14_000: kill_the_first_that_joined,
        17_000: leave,
        20_000: join,
    }
    try:
        for number, message in enumerate(messages(EVENTS, datetime.now(UTC))):
            sent.add(message.value[11:47].decode())
            producer.produce(EVENTS_TOPIC, message.value, message.key, partition=number % 4)
            producer.poll(0)
            if number in steps:
                steps[number]()
            if number % 100 == 0:
                time.sleep(0.08)
        assert producer.flush(30) == 0
        eventually(lambda: _stored(running) >= sent, 60)
        doubled = running.sql(
            "SELECT count() FROM (SELECT event_id, org_id FROM audit.events"
            " GROUP BY event_id, org_id HAVING count() > 1)"
        )
        assert doubled[0][0] == 0
    finally:
        for other in others:
            other.stop()
        running.stack.consumer.stop()
        running.stack.start_consumer()


def _stored(running) -> set[str]:
    rows = running.sql("SELECT toString(event_id) FROM audit.events WHERE org_id LIKE 'org-%'")
    return {row[0] for row in rows}
