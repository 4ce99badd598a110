import subprocess
import sys
import threading

import pytest

from orgtrail import Actor, AuditProducer, Change, InvalidEventError, ProducerSettings, audit_scope
from orgtrail import producer as producers
from orgtrail.envelope import headers, seal
from orgtrail.event_id import new_event_id
from orgtrail.outbox import Outbox
from orgtrail_schemas.codec import decode_datum, read_frame
from orgtrail_schemas.event_schema import current_schema

ALICE = Actor(id="u-1", email="alice@acme.example")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
COLUMNS = "id, aggregatetype, aggregateid, type, payload, ce_source, ce_time, traceparent"


@pytest.fixture
def outbox():
    return Outbox(ProducerSettings(topic="audit.events.v1", service="my service"))


@pytest.fixture
def kept():
    """What producers would send."""
    kept = []
    former = producers.set_sink(kept.extend)
    yield kept
    producers.set_sink(former)


@pytest.fixture
def rows(connection):
    def ask():
        cursor = connection.execute(f"SELECT {COLUMNS} FROM orgtrail_outbox ORDER BY position")
        names = [name for name, *_ in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    return ask


def event_of(row):
    header = read_frame(row["payload"])
    return decode_datum(current_schema(), current_schema(), row["payload"][header.size :])


def test_a_row_is_the_record_that_the_producer_would_send(outbox, connection, rows, kept):
    details = {
        "org_id": "acme", "actor": ALICE, "changes": [Change(field="password", old="a", new="b")],
        "event_id": str(new_event_id()), "metadata": {"token": "t"},
    }  # fmt: skip
    AuditProducer(ProducerSettings(service="my service")).emit("user.password.changed", **details)
    producers.set_sink(None)
    identity = outbox.emit(connection, "user.password.changed", traceparent=TRACE, **details)
    (row,) = rows()
    assert identity == row["id"] == details["event_id"]
    assert (row["aggregatetype"], row["aggregateid"]) == ("audit.events.v1", "acme")
    assert row["type"] == "user.password.changed"
    expected = seal(kept[0], 0, 0)
    sent = {name: value.decode() for name, value in headers(expected)}
    assert (row["ce_source"], row["ce_time"]) == (sent["ce_source"], sent["ce_time"])
    assert row["traceparent"] == TRACE
    event = event_of(row)
    assert event["changes"][0]["new"] == "[redacted]"
    assert event["context"].pop("trace_id") == TRACE[3:35]
    plain = event_of({"payload": expected.value})
    assert plain["context"].pop("trace_id") == ""
    assert event == plain


def test_it_is_there_exactly_when_the_transaction_is(outbox, connection, rows):
    outbox.emit(connection, "user.login", org_id="acme", actor=ALICE)
    connection.rollback()
    assert rows() == []
    outbox.emit(connection, "user.login", org_id="acme", actor=ALICE)
    connection.commit()
    assert len(rows()) == 1


def test_the_scope_of_the_request_is_used(outbox, connection, rows):
    with audit_scope(actor=ALICE, org_id="acme", ip="192.0.2.7", traceparent=TRACE):
        outbox.emit(connection, "user.login")
    (row,) = rows()
    assert (row["aggregateid"], row["traceparent"]) == ("acme", TRACE)
    assert event_of(row)["context"]["ip"] == "192.0.2.7"


def test_one_row_for_each_organization(outbox, connection, rows):
    identity = outbox.emit(connection, "user.login", org_id=["a", "b"], actor=ALICE)
    assert [(row["aggregateid"], row["id"]) for row in rows()] == [("a", identity), ("b", identity)]


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"actor": ALICE}, "org_id"),
        ({"org_id": "acme"}, "actor"),
        ({"org_id": "acme", "actor": ALICE, "outcome": "maybe"}, "outcome"),
        ({"org_id": "acme", "actor": ALICE, "metadata": {"a": "x" * 8000}}, None),
    ],
)
def test_it_checks_as_the_producer_does(outbox, connection, rows, details, field):
    if field is None:
        outbox.emit(connection, "user.login", **details)
        assert "orgtrail.repaired" in event_of(rows()[0])["metadata"]
        return
    with pytest.raises(InvalidEventError) as caught:
        outbox.emit(connection, "user.login", **details)
    assert caught.value.field == field
    assert rows() == []


def test_before_send_may_drop_an_event(connection, rows):
    outbox = Outbox(ProducerSettings(), before_send=lambda event: None)
    outbox.emit(connection, "user.login", org_id="acme", actor=ALICE)
    assert rows() == []


def test_disabled_inserts_nothing(connection, rows):
    Outbox(ProducerSettings(disabled=True)).emit(
        connection, "user.login", org_id="acme", actor=ALICE
    )
    assert rows() == []


def test_a_tests_recorder_gets_the_events(outbox, connection, rows, kept):
    outbox.emit(connection, "user.login", org_id="acme", actor=ALICE)
    assert [event.event for event in kept] == ["user.login"]
    assert rows() == []


def test_it_starts_no_thread(outbox, connection):
    before = threading.active_count()
    outbox.emit(connection, "user.login", org_id="acme", actor=ALICE)
    assert threading.active_count() == before


def test_a_service_that_only_writes_needs_no_client_for_kafka():
    code = (
        "import sys; sys.modules['confluent_kafka'] = None; import sqlite3\n"
        "from orgtrail import Actor; from orgtrail.outbox import Outbox, create_statements\n"
        "c = sqlite3.connect(':memory:'); [c.execute(s) for s in create_statements('sqlite')]\n"
        "Outbox().emit(c, 'user.login', org_id='acme', actor=Actor(id='u-1'))\n"
        "assert c.execute('SELECT count(*) FROM orgtrail_outbox').fetchone() == (1,)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_threads_do_not_mix_their_events(outbox, path):
    import sqlite3

    def work(name):
        connection = sqlite3.connect(path, timeout=30)
        for _ in range(50):
            outbox.emit(connection, "user.login", org_id=name, actor=ALICE)
            connection.commit()
        connection.close()

    threads = [threading.Thread(target=work, args=(f"org-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sqlite3.connect(path).execute(
        "SELECT aggregateid, count(DISTINCT id), count(*) FROM orgtrail_outbox GROUP BY 1"
    )
    assert found.fetchall() == [(f"org-{n}", 50, 50) for n in range(4)]
