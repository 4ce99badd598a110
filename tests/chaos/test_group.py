"""The group: a worker that was frozen, an operator who rewinds it, producers that retry."""

import signal
import time
from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaException
from tests.benchmarks.workload import messages
from tests.chaos.load import Load, key_of
from tests.chaos.oracle import stored_copies
from tests.support.running import eventually

from orgtrail_schemas.codec import decode_datum, encode
from orgtrail_schemas.event_schema import current_schema


def test_a_worker_frozen_past_its_session_comes_back_as_a_zombie(arena, prove):
    """Another takes over; what the zombie still holds is neither committed nor doubled."""
    falls = []
    with Load(arena.brokers, rate=2_000) as load:
        zombie = arena.start_consumer().wait_ready()
        eventually(lambda: zombie.metric("orgtrail_consumer_events_total") > 0)
        # Batches are under way, and stay so: ClickHouse does not answer it. The other reaches it.
        arena.clickhouse_proxy.cut()
        time.sleep(1)
        zombie.child.signal(signal.SIGSTOP)
        other = arena.start_consumer(ORGTRAIL_CLICKHOUSE_PORT=str(arena.http_port))
        eventually(lambda: other.metric("orgtrail_consumer_events_total") > 0, 60)
        before = arena.committed()
        zombie.child.signal(signal.SIGCONT)
        for _ in range(20):
            time.sleep(0.3)
            now = arena.committed()
            falls += [number for number in now if now[number] < before[number]]
            before = now
        eventually(lambda: zombie.metric("orgtrail_consumer_stale_batches_total") > 0, 60)
        arena.clickhouse_proxy.mend()
        prove(load, 90)
    assert falls == []


@pytest.mark.long
def test_rewound_by_an_operator(arena, prove):
    """Kafka refuses while there are members; afterwards everything is stored once more."""
    before = arena.committed()
    arena.query("SYSTEM STOP MERGES audit.events_store")
    try:
        with Load(arena.brokers, rate=2_000) as load:
            worker = arena.start_consumer().wait_ready()
            eventually(lambda: worker.metric("orgtrail_consumer_events_total") > 2_000, 60)
            with pytest.raises(KafkaException):
                arena.rewind(before)
            worker.child.stop()
            eventually(lambda: _rewound(arena, before))
            arena.start_consumer().wait_ready()
            prove(load, 90)
        assert stored_copies(arena.query) > 2_000
    finally:
        arena.query("SYSTEM START MERGES audit.events_store")


def _rewound(arena, offsets):
    try:
        arena.rewind(offsets)
    except KafkaException:
        return False
    return True


def test_the_first_of_two_records_with_one_key_stays(arena, prove):
    """A producer retries, and someone else sends other content under the same key."""
    made = list(messages(2_000, datetime.now(UTC)))
    arena.start_consumer().wait_ready()
    with Load(arena.brokers, rate=1) as load:
        for message in made:
            load.send(message, partition=0)
        load.flush()
        for message in made[:1000]:
            load.send(message, partition=0)
        for message in made[1000:]:
            load.send(_forged(message), partition=0)
        load.flush()
        # Every copy was read: the last one is committed.
        last = max(place.offset for places in load.places.values() for place in places)
        eventually(lambda: arena.committed()[0] > last, 60)
        prove(load)
    assert all(len(load.places[key_of(message)]) == 2 for message in made)


def _forged(message):
    record = decode_datum(current_schema(), current_schema(), message.value[10:])
    record["actor"] = record["actor"] | {"id": "u-mallory", "name": "Mallory"}
    return message._replace(value=encode(current_schema(), record))
