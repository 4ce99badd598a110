"""The loop over an SQLite file and a broker that can be hurt."""

import logging
import threading
import time

import pytest
from tests.support.mock_broker import ids
from tests.support.running import eventually

from orgtrail import Actor
from orgtrail.outbox import relay as module

ALICE = Actor(id="u-1")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def emit(outbox, connection):
    def commit(*orgs, **details):
        made = [
            outbox.emit(connection, "user.login", org_id=org, actor=ALICE, **details)
            for org in orgs
        ]
        connection.commit()
        return made

    return commit


@pytest.fixture
def left(connection):
    def ask():
        return connection.execute("SELECT count(*) FROM orgtrail_outbox").fetchone()[0]

    return ask


@pytest.fixture
def start(relay):
    """Run a relay in a thread."""
    started = []

    def start(**options):
        made = relay(**options)
        thread = made.thread = threading.Thread(target=made.run)
        thread.start()
        started.append((made, thread))
        return made

    yield start
    for made, thread in started:
        made.stop()
        thread.join(15)
        assert not thread.is_alive()


def test_records_arrive_in_order_with_key_and_headers(relay, emit, broker, left):
    sent = emit(*["acme"] * 30, traceparent=TRACE)
    made = relay(batch=7)
    made.run(once=True)
    assert (made.delivered, made.refused, made.failed, left()) == (30, 0, False, 0)
    records = broker.records(30)
    assert ids(records) == sent
    assert {record.key() for record in records} == {b"acme"}
    headers = {name: value.decode() for name, value in records[0].headers()}
    assert headers["ce_type"] == "user.login"
    assert headers["content-type"] == "application/avro"
    assert headers["traceparent"] == TRACE


def test_a_transaction_that_commits_late_is_not_skipped(relay, emit, outbox, broker, left, path):
    """SQLite has one writer, so the gap of a lower position is made by hand."""
    sent = emit("acme", "acme", "acme")
    import sqlite3

    hidden = sqlite3.connect(path)
    row = hidden.execute("SELECT * FROM orgtrail_outbox WHERE position = 2").fetchone()
    hidden.execute("DELETE FROM orgtrail_outbox WHERE position = 2")
    hidden.commit()
    relay().run(once=True)
    hidden.execute(f"INSERT INTO orgtrail_outbox VALUES ({','.join('?' * len(row))})", row)
    hidden.commit()
    relay().run(once=True)
    assert left() == 0
    assert ids(broker.records(3)) == [sent[0], sent[2], sent[1]]


def test_kafka_away_is_waited_for(start, emit, broker, left, caplog, monkeypatch):
    monkeypatch.setattr(module, "_SILENT_AFTER_S", 0.3)
    broker.down()
    sent = emit(*["acme"] * 5)
    start()
    eventually(lambda: "does not accept events" in caplog.text)
    assert left() == 5
    broker.up()
    eventually(lambda: left() == 0)
    eventually(lambda: "Kafka is available again" in caplog.text)
    assert ids(broker.records(5)) == sent


def test_a_relay_without_kafka_lets_go_of_its_organizations(
    relay, emit, broker, connection, monkeypatch
):
    monkeypatch.setattr(module, "_GIVE_UP_AFTER_S", 0.5)
    emit("acme")
    broker.down()
    alone = relay()
    alone.run(once=True)
    assert alone.failed
    broker.up()
    monkeypatch.undo()
    other = relay()
    other.run(once=True)
    assert other.delivered == 1


def test_the_lease_is_held_while_kafka_is_away(start, relay, emit, broker):
    broker.down()
    emit("acme")
    start(lease_s=1)
    time.sleep(2.5)
    other = relay()
    other.run(once=True)
    assert (other.delivered, other.failed) == (0, False)
    broker.up()


def test_an_error_of_kafka_sends_the_batch_again(start, emit, broker, left, caplog):
    broker.fail_produce(29)  # TOPIC_AUTHORIZATION_FAILED
    sent = emit(*["acme"] * 3)
    start()
    eventually(lambda: left() == 0)
    assert "Topic authorization failed" in caplog.text
    assert ids(broker.records(3)) == sent


def test_a_refused_record_stays_and_holds_nobody_up(relay, emit, broker, connection, caplog):
    (bad,) = emit("acme")
    broker.fail_produce(10, 2)  # MESSAGE_TOO_LARGE, for the set and for the record alone
    good = emit("acme", "acme", "acme")
    made = relay()
    made.run(once=True)
    assert (made.delivered, made.refused) == (3, 1)
    (row,) = connection.execute("SELECT id, refused FROM orgtrail_outbox").fetchall()
    assert row[0] == bad
    assert "MSG_SIZE_TOO_LARGE" in row[1]
    assert bad in caplog.text
    assert set(ids(broker.records(3))) == set(good)


@pytest.mark.parametrize("code", [10, 29])
def test_the_order_is_kept_when_kafka_fails_one_set_of_many(start, emit, broker, left, code):
    """Code 10 is MESSAGE_TOO_LARGE, as for a set that is larger than the topic allows."""
    sent = emit(*["acme"] * 400, metadata={"note": "x" * 4_000})
    broker.fail_produce(code)
    start()
    eventually(lambda: left() == 0)
    first_appearances = list(dict.fromkeys(ids(broker.records(400))))
    assert first_appearances == sent


def test_a_row_by_hand_is_refused_and_not_tried_for_ever(relay, emit, connection):
    emit("acme")
    connection.execute("UPDATE orgtrail_outbox SET ce_time = 'x', payload = 'y'")
    connection.commit()
    made = relay()
    made.run(once=True)
    assert (made.delivered, made.refused) == (0, 1)


def test_the_database_away_is_waited_for(start, emit, path, left, caplog):
    away = path.with_name("away.db")
    sent_first = emit("acme")
    path.rename(away)
    path.mkdir()
    start()
    eventually(lambda: "cannot be read or written" in caplog.text)
    path.rmdir()
    away.rename(path)
    eventually(lambda: left() == 0)
    eventually(lambda: "the outbox is available again" in caplog.text)
    assert sent_first
    assert "Traceback" not in caplog.text


def test_what_was_acknowledged_is_settled_when_the_database_is_back(
    relay, emit, broker, left, monkeypatch
):
    """Sent once: a failure of the database after Kafka's acknowledgement is no reason to resend."""
    from orgtrail.outbox.store import DatabaseUnavailableError, Store

    emit("acme", "acme")
    made, settle, failures = relay(), Store.settle, []

    def fails_once(self, *words):
        if not failures:
            failures.append(1)
            raise DatabaseUnavailableError from ValueError("x")
        settle(self, *words)

    monkeypatch.setattr(Store, "settle", fails_once)
    assert made.step() > 0
    assert left() == 2
    assert made.step() == 0 or left() == 0
    assert left() == 0
    assert len(broker.records(2)) == 2


def test_a_mistake_of_ours_does_not_end_it(relay, emit, left, monkeypatch, caplog):
    emit("acme")
    made = relay()
    take = made._store.take
    monkeypatch.setattr(made._store, "take", lambda _limit: 1 / 0)
    assert made.step() > 0
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.setattr(made._store, "take", take)
    made.step()
    assert left() == 0


def test_idle_polls_become_rare_and_begin_anew_after_work(relay, emit):
    made = relay()
    pauses = [made.step() for _ in range(8)]
    assert pauses[:3] == [0.05, 0.1, 0.2]
    assert pauses[-1] == 2.0
    emit("acme")
    assert [made.step(), made.step()] == [0, 0.05]


def test_stopping_ends_a_batch_that_kafka_does_not_take(start, emit, broker, monkeypatch, left):
    monkeypatch.setattr(module, "_STOP_WITHIN_S", 0.5)
    broker.down()
    emit("acme")
    made = start()
    time.sleep(0.5)
    before = time.monotonic()
    made.stop()
    made.thread.join(5)
    assert not made.thread.is_alive()
    assert time.monotonic() - before < 3
    assert left() == 1


def test_other_topics_are_told(relay, emit, connection, caplog):
    emit("acme")
    connection.execute("UPDATE orgtrail_outbox SET aggregatetype = 'audit.other'")
    connection.commit()
    relay().run(once=True)
    (told,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "audit.other" in told.getMessage()


def test_two_relays_share_the_work_and_keep_the_order(start, emit, broker, left):
    start(batch=10)
    start(batch=10)
    sent = {}
    for _ in range(20):
        for name in ("a", "b", "c", "d", "e"):
            sent.setdefault(name, []).extend(emit(name, name))
    eventually(lambda: left() == 0)
    records = broker.records(200)
    assert len(records) == 200
    for name, wanted in sent.items():
        assert ids([r for r in records if r.key() == name.encode()]) == wanted
