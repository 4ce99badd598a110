"""Against librdkafka's own mock broker, or none at all; no packet leaves the process's loopback."""

import time

import pytest

from orgtrail import (
    Actor,
    AuditError,
    AuditProducer,
    BufferFullError,
    InvalidEventError,
    ProducerSettings,
    SpoolFullError,
    UndeliveredError,
)

ALICE = Actor(id="u-1")
NOWHERE = {"kafka_brokers": "127.0.0.1:1", "delivery_timeout_s": 0.5}


def emit(producer, **more):
    return producer.emit("user.login", org_id="acme", actor=ALICE, **more)


def producer(**settings):
    return AuditProducer(ProducerSettings.load(**(NOWHERE | settings)))


def test_emit_does_not_block_while_kafka_is_away():
    audit = producer(delivery_timeout_s=60)
    began = time.monotonic()
    for _ in range(100):
        emit(audit)
    assert time.monotonic() - began < 2
    with pytest.raises(UndeliveredError) as lost:
        audit.close(0.1)
    assert lost.value.count == 100


def test_a_full_buffer_is_an_error_in_words():
    audit = producer(buffer_events=3, delivery_timeout_s=60)
    for _ in range(3):
        emit(audit)
    with pytest.raises(BufferFullError, match="no spool"):
        emit(audit)
    with pytest.raises(UndeliveredError):
        audit.close(0.1)


def test_what_kafka_does_not_take_is_spooled(tmp_path):
    seen = []
    audit = AuditProducer(
        ProducerSettings.load(**NOWHERE, buffer_events=3, spool_dir=tmp_path),
        on_delivery=seen.append,
    )
    for _ in range(5):
        emit(audit)
    audit.close(2)
    assert [d.state for d in seen] == ["spooled"] * 5
    again = producer(spool_dir=tmp_path)
    assert again.spooled == 5
    again.close(0.1)


def test_a_full_spool_is_an_error_in_words(tmp_path):
    audit = producer(buffer_events=1, spool_dir=tmp_path, spool_megabytes=1)
    big = {str(n): "x" * 1000 for n in range(50)}
    with pytest.raises(SpoolFullError, match="holds its"):
        for _ in range(40):
            audit.emit("user.login", org_id="acme", actor=ALICE, metadata=big)
    with pytest.raises(UndeliveredError):
        audit.close(0.1)


def test_an_event_that_no_topic_takes_is_refused_and_never_spooled(tmp_path):
    from orgtrail import Target

    audit = producer(spool_dir=tmp_path, buffer_events=1)
    emit(audit)
    huge = [Target(type="user", name="x" * 4000) for _ in range(300)]
    with pytest.raises(InvalidEventError, match="larger than"):
        emit(audit, targets=huge)
    audit.close(1)
    assert audit.spooled == 1


def test_nothing_is_taken_after_close():
    audit = producer()
    audit.close(0)
    with pytest.raises(AuditError, match="closed"):
        emit(audit)


def test_an_invalid_event_is_refused_at_the_call():
    with producer() as audit, pytest.raises(InvalidEventError):
        emit(audit, outcome="maybe")
