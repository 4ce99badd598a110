"""Once emit returns, the event arrives: in order, over outages, kills and bugs of callbacks."""

import gc
import logging
import threading
import time

import pytest
from tests.support.mock_broker import ids
from tests.support.running import eventually
from tests.unit.producers.delivery.conftest import ALICE, NOWHERE, child, emit

TOO_LARGE = 10
INVALID_RECORD = 87
UNKNOWN_TOPIC = 3
NOT_AUTHORIZED = 29
OUT_OF_ORDER = 45


def test_events_arrive_in_order_over_an_outage(broker, make):
    audit = make(broker.address)
    sent = [emit(audit) for _ in range(300)]
    assert audit.flush(10) == 0
    broker.down()
    sent += [emit(audit) for _ in range(900)]
    assert audit.flush(0.5) == 900
    broker.up()
    sent += [emit(audit) for _ in range(300)]
    assert audit.flush(20) == 0
    assert ids(broker.records(1500)) == sent
    counted = audit.counters()
    assert (counted.accepted, counted.acknowledged, counted.waiting) == (1500, 1500, 0)
    assert audit.healthy()


def test_no_event_is_dropped_by_age(broker, make, caplog):
    broker.down()
    audit = make(broker.address)
    sent = [emit(audit) for _ in range(40)]
    time.sleep(6)
    assert audit.counters().waiting == 40
    assert [r.message for r in caplog.records if "does not accept events" in r.message]
    broker.up()
    assert audit.flush(20) == 0
    assert ids(broker.records(40)) == sent


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)", "sys.exit()"]
)
def test_a_process_that_ends_during_an_outage_loses_nothing(broker, make, tmp_path, end):
    broker.down()
    process = child(
        f"""
        a = P()
        for _ in range(500):
            say(E(a))
        {end}
        """,
        broker.address,
        tmp_path / "spool",
    )
    out, _ = process.communicate(timeout=30)
    sent = out.split()
    assert len(sent) == 500
    broker.up()
    audit = make(broker.address)
    sent.append(emit(audit))
    assert audit.flush(20) == 0
    eventually(lambda: audit.spooled == 0)
    assert ids(broker.records(501)) == sent


def test_a_plain_exit_waits_for_kafka(broker, tmp_path):
    process = child("a = P()\nfor _ in range(200): E(a)\n", broker.address, tmp_path / "spool")
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert len(broker.records(200)) == 200


def test_a_living_sibling_delivers_what_a_dead_one_left(broker, make, tmp_path):
    audit = make(broker.address)
    emit(audit)
    process = child(
        """
        brokers = "127.0.0.1:1"
        a = P()
        for _ in range(100):
            say(E(a))
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        broker.address,
        tmp_path / "spool",
    )
    sent = set(process.communicate(timeout=30)[0].split())
    assert len(sent) == 100
    assert sent <= set(ids(broker.records(101)))
    eventually(
        lambda: not [p for p in (tmp_path / "spool" / "lanes").iterdir() if "retry" in p.name]
    )


def test_a_callback_that_raises_stops_nothing(broker, make, caplog):
    def tell(_delivery):
        raise SystemExit

    audit = make(broker.address, on_delivery=tell)
    sent = [emit(audit) for _ in range(100)]
    assert audit.flush(10) == 0
    sent += [emit(audit, on_delivery=lambda _d: 1 / 0) for _ in range(100)]
    assert audit.flush(10) == 0
    assert ids(broker.records(200)) == sent
    said = [r.message for r in caplog.records if "on_delivery raised" in r.message]
    assert said
    assert len(said) < 3


def test_callbacks_tell_what_became_of_an_event(broker, make):
    told, own, threads = [], [], set()

    def tell(delivery):
        threads.add(threading.get_ident())
        told.append(delivery)

    audit = make(broker.address, on_delivery=tell)
    event = emit(audit, org=["acme", "globex"], on_delivery=own.append)
    assert audit.flush(10) == 0
    assert told == own
    assert sorted(told) == [
        (event, "acme", "acknowledged", None),
        (event, "globex", "acknowledged", None),
    ]
    assert threading.get_ident() not in threads


def test_a_callback_may_flush_emit_and_close(broker, tmp_path):
    process = child(
        """
        def tell(delivery):
            a.flush(0.1)
            if len(told) < 5:
                E(a)
            told.append(delivery)
            if len(told) == 10:
                a.close(0.1)
        told = []
        a = AuditProducer(ProducerSettings.load(kafka_brokers=brokers, spool_dir=spool), on_delivery=tell)
        for _ in range(20):
            E(a)
        while len(told) < 10:
            time.sleep(0.01)
        say("fine")
        """,
        broker.address,
        tmp_path / "spool",
    )
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "fine\n"), errors


@pytest.mark.parametrize("code", [UNKNOWN_TOPIC, NOT_AUTHORIZED, OUT_OF_ORDER])
def test_what_kafka_says_of_itself_is_an_outage(broker, make, code, caplog):
    broker.fail_produce(code, 3)
    audit = make(broker.address)
    sent = [emit(audit) for _ in range(50)]
    assert audit.flush(30) == 0
    assert list(dict.fromkeys(ids(broker.records(50)))) == sent
    assert audit.counters().set_aside == 0


def test_a_fatal_error_makes_a_new_client(broker, make):
    import ctypes
    from pathlib import Path

    import confluent_kafka

    audit = make(broker.address)
    sent = [emit(audit)]
    assert audit.flush(10) == 0
    client = audit._engine._sender._client._producer
    library = next(
        Path(confluent_kafka.__file__).parent.parent.glob("confluent_kafka.libs/librdkafka-*.so*")
    )
    handle = ctypes.cast(id(client) + 16, ctypes.POINTER(ctypes.c_void_p))[0]
    ctypes.CDLL(str(library)).rd_kafka_test_fatal_error(ctypes.c_void_p(handle), 31, b"x")
    sent += [emit(audit) for _ in range(20)]
    assert audit.flush(20) == 0
    assert ids(broker.records(21)) == sent


@pytest.mark.parametrize("code", [TOO_LARGE, INVALID_RECORD])
def test_a_record_that_kafka_refuses_for_itself_holds_nobody_up(broker, make, code, caplog):
    from orgtrail.delivery.set_aside import aside_folder, read_refused

    broker.down()
    told = []
    audit = make(broker.address, on_delivery=told.append)
    sent = [emit(audit) for _ in range(5)]
    # The whole batch is refused first, and then the first record that is sent alone.
    broker.fail_produce(code, 2)
    broker.up()
    sent += [emit(audit) for _ in range(5)]
    assert audit.flush(30) == 0
    refused = [d for d in told if d.state == "set_aside"]
    arrived = ids(broker.records(10 - len(refused)))
    assert audit.counters().set_aside == len(refused) > 0
    assert set(arrived) | {d.event_id for d in refused} == set(sent)
    kept = [read_refused(p) for p in aside_folder(audit._settings.spool_folder()).glob("*.refused")]
    assert {k.envelope.event_id for k in kept} == {d.event_id for d in refused}
    assert [
        r for r in caplog.records if r.levelno == logging.ERROR and "was set aside" in r.message
    ]


def test_in_memory_a_refused_record_is_a_loss_that_is_said(broker, make, caplog):
    broker.fail_produce(INVALID_RECORD, 1)
    audit = make(broker.address, spool="memory")
    event = emit(audit)
    assert audit.flush(10) == 0
    assert audit.counters().lost == 1
    assert not audit.healthy()
    assert [r for r in caplog.records if r.levelno == logging.ERROR and event in r.message]


def test_waiting_events_are_no_work_for_the_collector(make):
    audit = make()
    for _ in range(10):
        emit(audit)
    time.sleep(1)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(5_000):
        emit(audit)
    time.sleep(1)
    gc.collect()
    # Those of the batches that are on their way, however many wait behind them.
    assert len(gc.get_objects()) - before < 1_000


def test_before_send_may_change_or_drop_an_event(broker, make, caplog):
    from msgspec.structs import replace

    def hook(event):
        if event.org_id == "internal":
            return None
        if event.org_id == "broken":
            raise ValueError
        return replace(event, metadata={"region": "eu"})

    audit = make(broker.address, before_send=hook)
    emit(audit, org="internal")
    emit(audit, org="broken")
    emit(audit, org="acme")
    assert audit.flush(10) == 0
    found = {r.key() for r in broker.records(2)}
    assert found == {b"broken", b"acme"}
    assert "before_send failed" in caplog.text


async def test_a_confirmed_event_is_on_disk_or_acknowledged(broker, make):
    from orgtrail import UnconfirmedError

    broker.down()
    on_disk = make(broker.address)
    event = await on_disk.emit_confirmed("user.login", org_id="acme", actor=ALICE)
    assert event
    in_memory = make(broker.address, spool="memory")
    with pytest.raises(UnconfirmedError, match="neither on disk nor acknowledged"):
        await in_memory.emit_confirmed("user.login", org_id="acme", actor=ALICE, seconds=0.3)
    broker.up()
    assert await in_memory.emit_confirmed("user.login", org_id="acme", actor=ALICE, seconds=15)


def test_disabled_sends_nothing_and_still_checks(make, tmp_path):
    from orgtrail import InvalidEventError

    audit = make(disabled=True)
    assert emit(audit)
    with pytest.raises(InvalidEventError):
        emit(audit, outcome="maybe")
    assert not (tmp_path / "spool").exists()


def test_check_names_the_broker_and_the_topic(broker, make):
    from orgtrail import UnreachableError

    make(broker.address).check()
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1"):
        make(NOWHERE).check(1)
