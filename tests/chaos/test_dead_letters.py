"""Dead letters that cannot be written, and a topic that is mostly garbage."""

import json
from datetime import UTC, datetime

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from tests.benchmarks.workload import messages
from tests.chaos.load import Load
from tests.support.events import RawProducer, datum
from tests.support.running import eventually
from tests.support.up import orgtrail

from orgtrail_schemas.topics import DEAD_LETTER_TOPIC


def set_limit(arena, size):
    resource = ConfigResource("TOPIC", DEAD_LETTER_TOPIC)
    resource.add_incremental_config(
        ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    )
    admin = AdminClient({"bootstrap.servers": arena.brokers})
    admin.incremental_alter_configs([resource])[resource].result(20)


@pytest.mark.long
def test_what_the_dead_letter_topic_refuses_is_kept_in_a_folder(arena, tmp_path):
    """The broker refuses each letter for its size: they are files, listed, and sent again."""
    folder = {"ORGTRAIL_DEAD_LETTER_DIR": str(tmp_path / "letters")}
    env = {"ORGTRAIL_KAFKA_BROKERS": arena.brokers, **folder}
    set_limit(arena, 100)
    try:
        worker = arena.start_consumer(**folder).wait_ready()
        damaged = datum(org_id="kept")[:60]
        partition, offset = RawProducer(arena.brokers).send(damaged, b"kept")
        RawProducer(arena.brokers).send(datum(org_id="kept"), b"kept", partition=partition)
        eventually(
            lambda: arena.query("SELECT count() FROM audit.events WHERE org_id='kept'")[0][0]
        )
        eventually(lambda: arena.committed()[partition] == offset + 2)
    finally:
        set_limit(arena, 2_000_000)
    assert worker.metric("orgtrail_consumer_refused_dead_letters_total") == 1
    (path,) = (tmp_path / "letters").iterdir()
    assert json.loads(path.read_text())["reason"] == "malformed"
    rows = arena.query("SELECT reason, kafka_offset FROM audit.dead_letters WHERE org_id='kept'")
    assert rows == [("malformed", offset)]
    listed = orgtrail("dlq", "list", env=env).stdout
    assert f"local/{path.stem}\t" in listed
    sent = orgtrail("dlq", "replay", "--reason", "malformed", env=env)
    assert "1 dead letters replayed" in sent.stdout


def test_a_topic_of_garbage_stops_the_worker_and_says_what_to_do(arena):
    """It commits nothing of the garbage; told to, it sets all of it aside."""
    worker = arena.start_consumer(ORGTRAIL_BREAKER_RECORDS="200").wait_ready()
    producer = RawProducer(arena.brokers)
    for _ in range(150):
        producer.send(b"garbage", b"trash", partition=2)
        _, offset = producer.send(b"garbage", b"trash", partition=2)
    worker.wait_dead()
    assert "set ORGTRAIL_BREAKER_PERCENT=100 to dead-letter them" in worker.log
    arena.start_consumer(ORGTRAIL_BREAKER_RECORDS="200", ORGTRAIL_BREAKER_PERCENT="100")
    counted = "SELECT count() FROM audit.dead_letters FINAL WHERE org_id = 'trash'"
    eventually(lambda: arena.query(counted)[0][0] == 300, 60)
    # Otherwise the worker of the next test would read the garbage again.
    eventually(lambda: arena.committed()[2] == offset + 1)


def test_unknown_schemas_do_not_trip_the_breaker(arena):
    worker = arena.start_consumer(ORGTRAIL_BREAKER_RECORDS="50").wait_ready()
    producer = RawProducer(arena.brokers)
    for _ in range(100):
        producer.send(b"\xc3\x01" + b"unknown!" + b"datum", b"newer", partition=1)
    counted = "SELECT count() FROM audit.dead_letters FINAL WHERE org_id = 'newer'"
    eventually(lambda: arena.query(counted)[0][0] == 100, 60)
    assert worker.child.running


@pytest.mark.long
def test_one_in_a_hundred_is_bad_at_full_speed(arena, prove):
    """Every good one is stored, every bad one is set aside."""
    with Load(arena.brokers, rate=1) as load:
        for number, message in enumerate(messages(20_000, datetime.now(UTC))):
            load.send(message, number % 4)
            if number % 100 == 0:
                bad = message._replace(key=b"bad", value=message.value[:200])
                load.send_bad(bad, number % 4)
        load.flush()
        arena.start_consumer(ORGTRAIL_BATCH_RECORDS="20000").wait_ready()
        prove(load, 90)
    counted = "SELECT count() FROM audit.dead_letters FINAL WHERE org_id = 'bad'"
    assert arena.query(counted)[0][0] == 200
