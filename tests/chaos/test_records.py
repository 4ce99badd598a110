"""Whatever services send: transactions, sizes at the limit, partitions that are added, lost ranges."""

import time
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from tests.support.events import RawProducer, datum, record
from tests.support.raw_batch import BAD, raw_batch, send_raw_batch
from tests.support.running import eventually
from tests.support.up import orgtrail

from orgtrail_schemas.codec import encode
from orgtrail_schemas.event_schema import current_schema
from orgtrail_schemas.topics import EVENTS_TOPIC


def stored(arena, org):
    return arena.query(f"SELECT count() FROM audit.events WHERE org_id = '{org}'")[0][0]


def transactional(arena, name):
    producer = Producer(
        {
            "bootstrap.servers": arena.brokers,
            "transactional.id": name,
            "transaction.timeout.ms": 60_000,
        }
    )
    producer.init_transactions(20)
    return producer


def put(producer, org, partition, count=1):
    for _ in range(count):
        producer.produce(EVENTS_TOPIC, datum(org_id=org), org.encode(), partition=partition)


def test_aborted_records_are_not_stored_and_leave_no_lag(arena):
    worker = arena.start_consumer().wait_ready()
    producer = transactional(arena, "aborts")
    producer.begin_transaction()
    put(producer, "aborted", 0, 10)
    producer.flush(20)
    producer.abort_transaction(20)
    producer.begin_transaction()
    put(producer, "kept-tx", 0, 10)
    producer.commit_transaction(20)
    eventually(lambda: stored(arena, "kept-tx") == 10)
    assert stored(arena, "aborted") == 0
    # The log ends in a control record, which is no record of ours.
    eventually(lambda: worker.metric("orgtrail_consumer_lag_records") == 0)


@pytest.mark.long
def test_an_open_transaction_holds_its_partition_until_it_ends(arena):
    """Visibly: lag stays, and the partition's progress stands."""
    worker = arena.start_consumer().wait_ready()
    producer = transactional(arena, "open")
    producer.begin_transaction()
    put(producer, "in-tx", 3)
    producer.flush(20)
    began = time.time()
    RawProducer(arena.brokers).send(datum(org_id="behind"), b"behind", partition=3)
    time.sleep(8)
    assert stored(arena, "in-tx") == stored(arena, "behind") == 0
    assert worker.metric("orgtrail_consumer_lag_records") == 2
    progress = (
        "SELECT max(toUnixTimestamp64Milli(settled_through)) FROM audit.ingest_progress"
        " WHERE kafka_partition = 3"
    )
    assert arena.query(progress)[0][0] < began * 1000
    producer.commit_transaction(20)
    eventually(lambda: stored(arena, "in-tx") == stored(arena, "behind") == 1)
    eventually(lambda: arena.query(progress)[0][0] > began * 1000)


def test_records_at_the_size_limit_and_large_ones_that_compress(arena):
    """A full megabyte, good and bad, and eight megabytes that zstd makes small."""
    arena.start_consumer().wait_ready()
    began = datetime.now(UTC)
    sender = {"bootstrap.servers": arena.brokers, "message.max.bytes": 20_000_000}
    long = {"note": "x" * 1_000_000}
    full = encode(current_schema(), record(org_id="large", metadata=long))
    huge = encode(current_schema(), record(org_id="large", metadata={"note": "y" * 8_000_000}))
    producer = Producer(sender)
    producer.produce(EVENTS_TOPIC, full, b"large", partition=0)
    producer.produce(EVENTS_TOPIC, full[:-500], b"large-bad", partition=0)
    assert producer.flush(30) == 0
    squeezing = Producer({**sender, "compression.type": "zstd"})
    for _ in range(5):
        squeezing.produce(EVENTS_TOPIC, huge, b"large", partition=0)
    squeezing.produce(EVENTS_TOPIC, huge[:-500], b"large-bad", partition=0)
    assert squeezing.flush(30) == 0
    eventually(lambda: stored(arena, "large") == 2, 60)
    counted = "SELECT count() FROM audit.dead_letters FINAL WHERE org_id = 'large-bad'"
    eventually(lambda: arena.query(counted)[0][0] == 2, 60)
    # What came compressed fits the topic again when it is replayed, and is set aside again.
    env = {"ORGTRAIL_KAFKA_BROKERS": arena.brokers}
    replay = ("dlq", "replay", "--since", began.isoformat())
    assert "dead letters replayed" in orgtrail(*replay, env=env).stdout
    eventually(lambda: arena.query(counted)[0][0] == 4, 60)


def test_empty_values_and_unknown_headers(arena):
    arena.start_consumer().wait_ready()
    producer = RawProducer(arena.brokers)
    producer.send(datum(org_id="odd"), b"odd", headers=[("x-new", b"\xff"), ("x-new", b"")])
    producer.send(None, b"odd")
    producer.send(b"", b"odd")
    eventually(lambda: stored(arena, "odd") == 1)
    counted = "SELECT count() FROM audit.dead_letters FINAL WHERE org_id = 'odd'"
    eventually(lambda: arena.query(counted)[0][0] == 2)


@pytest.mark.long
@pytest.mark.parametrize("choice", ["stop", "accept"])
def test_offsets_that_the_topic_deleted_are_reported(arena, choice):
    """The worker was away, and retention took what it had not read."""
    arena.start_consumer().wait_ready()
    producer = RawProducer(arena.brokers)
    _, offset = producer.send(datum(org_id=f"lost-{choice}"), partition=0)
    eventually(lambda: arena.committed()[0] == offset + 1)
    arena.stop_consumers()
    for _ in range(5):
        producer.send(datum(org_id=f"lost-{choice}"), partition=0)
    admin = AdminClient({"bootstrap.servers": arena.brokers})
    start = TopicPartition(EVENTS_TOPIC, 0, offset + 4)
    for future in admin.delete_records([start]).values():
        future.result(20)
    worker = arena.start_consumer(ORGTRAIL_LOST_RANGES=choice)
    if choice == "stop":
        worker.wait_dead()
        assert (
            f"offsets {offset + 1} to {offset + 3} were deleted before they were read" in worker.log
        )
        assert "set ORGTRAIL_LOST_RANGES=accept" in worker.log
        worker = arena.start_consumer(ORGTRAIL_LOST_RANGES="accept")
    eventually(lambda: stored(arena, f"lost-{choice}") == 3, 60)
    assert worker.metric("orgtrail_consumer_lost_offsets_total") == 3
    eventually(lambda: arena.committed()[0] == offset + 6)


@pytest.mark.long
def test_what_a_quiet_partition_lost_is_reported_before_anything_comes(arena):
    """Else it would count as settled: nothing is under way, and the position is the end."""
    arena.start_consumer().wait_ready()
    producer = RawProducer(arena.brokers)
    _, offset = producer.send(datum(org_id="quiet"), partition=1)
    eventually(lambda: arena.committed()[1] == offset + 1)
    arena.stop_consumers()
    for _ in range(3):
        producer.send(datum(org_id="quiet"), partition=1)
    admin = AdminClient({"bootstrap.servers": arena.brokers})
    for future in admin.delete_records([TopicPartition(EVENTS_TOPIC, 1, offset + 4)]).values():
        future.result(20)
    worker = arena.start_consumer()
    worker.wait_dead()
    lost = f"offsets {offset + 1} to {offset + 3} were deleted before they were read"
    assert lost in worker.log
    worker = arena.start_consumer(ORGTRAIL_LOST_RANGES="accept").wait_ready()
    eventually(lambda: worker.metric("orgtrail_consumer_lost_offsets_total") == 3)
    producer.send(datum(org_id="quiet"), partition=1)
    eventually(lambda: stored(arena, "quiet") == 2, 60)
    assert worker.metric("orgtrail_consumer_lost_offsets_total") == 3
    eventually(lambda: arena.committed()[1] == offset + 5)


def test_lag_grows_while_nothing_can_be_stored(arena):
    """It is the warning before retention takes what was not read; nothing is fetched meanwhile."""
    worker = arena.start_consumer().wait_ready()
    producer = Producer({"bootstrap.servers": arena.brokers})

    def lag():
        return worker.metric("orgtrail_consumer_lag_records")

    # What a worker of another test stored, and was killed before it committed, is stored again.
    eventually(lambda: worker.reported("orgtrail_consumer_lag_records") and lag() == 0)
    arena.clickhouse_proxy.cut()
    try:
        for sent in (3_000, 6_000):
            put(producer, "lag", 0, 3_000)
            assert producer.flush(20) == 0
            eventually(lambda sent=sent: lag() == sent, 30)
    finally:
        arena.clickhouse_proxy.mend()
    eventually(lambda: stored(arena, "lag") == 6_000, 60)
    eventually(lambda: lag() == 0)


def test_a_header_name_that_is_no_text_stops_nothing(arena):
    """Kafka takes any bytes for one; librdkafka's clients can send them."""
    worker = arena.start_consumer().wait_ready()
    producer = RawProducer(arena.brokers)
    producer.send(datum(org_id="name"), b"name", headers=[("NAME", b"1")], partition=2)
    odd = raw_batch([datum(org_id="name"), datum(org_id="name")], [BAD, "good"])
    send_raw_batch(arena.brokers, EVENTS_TOPIC, 2, odd)
    producer.send(datum(org_id="name"), b"name", partition=2)
    eventually(lambda: stored(arena, "name") == 4)
    assert worker.child.running


def test_partitions_that_are_added_are_read(arena):
    """Last: Kafka cannot take a partition away again."""
    arena.start_consumer().wait_ready()
    admin = AdminClient({"bootstrap.servers": arena.brokers})
    for future in admin.create_partitions([NewPartitions(EVENTS_TOPIC, 5)]).values():
        future.result(20)
    eventually(lambda: len(admin.list_topics(EVENTS_TOPIC).topics[EVENTS_TOPIC].partitions) == 5)
    RawProducer(arena.brokers).send(datum(org_id="added"), partition=4)
    eventually(lambda: stored(arena, "added") == 1, 60)
    counted = "SELECT max(partitions) FROM audit.ingest_progress FINAL"
    eventually(lambda: arena.query(counted)[0][0] == 5, 30)
