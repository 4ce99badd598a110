"""A replayed letter is the original record again; what Kafka refuses is an error."""

from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.support.vectors import partition

from orgtrail_consumers.dead_letters import replay as module
from orgtrail_consumers.dead_letters.reader import DeadLetter
from orgtrail_consumers.dead_letters.replay import replay


def letter(number, key=b"acme", value=b"\x00v", headers=()):
    when = datetime(2026, 11, 26, tzinfo=UTC)
    return DeadLetter(f"0/{number}", when, "malformed", "", "s", key, value, list(headers))


def test_a_letter_is_sent_with_its_key_value_and_headers_and_nothing_of_ours(broker, settings):
    given = letter(1, headers=[("h", b"\xff"), ("h", b"2"), ("n", None)])
    told = []
    assert replay(settings, iter([given]), told.append) == 1
    (found,) = broker.records(1)
    assert (found.key(), found.value()) == (b"acme", b"\x00v")
    assert found.headers() == given.headers
    assert told == [1]


def test_letters_without_a_key_or_value_are_sent_too(broker, settings):
    assert replay(settings, [letter(1, key=None), letter(2, value=None)], lambda _sent: None) == 2
    assert {(r.key(), r.value()) for r in broker.records(2)} == {
        (None, b"\x00v"),
        (b"acme", None),
    }


def test_one_organization_keeps_its_partition_and_order(broker, settings):
    replay(settings, [letter(n, value=b"%d" % n) for n in range(20)], lambda _sent: None)
    found = broker.records(20)
    # As the services choose it: an organization's events stay together.
    assert {r.partition() for r in found} == {partition(b"acme", 4)}
    assert [r.value() for r in found] == [b"%d" % n for n in range(20)]


def test_no_letters_are_nothing_to_send(offline):
    assert replay(offline, [], lambda _sent: None) == 0


def test_a_refusal_is_an_error_after_the_others_were_sent(broker, settings, monkeypatch):
    monkeypatch.setattr(module, "_FLUSH_EVERY", 1)
    broker.fail_produce(KafkaError.INVALID_RECORD)
    told = []
    with pytest.raises(KafkaException) as error:
        replay(settings, [letter(n, value=b"%d" % n) for n in range(3)], told.append)
    assert error.value.args[0].code() == KafkaError.INVALID_RECORD
    assert [r.value() for r in broker.records(2)] == [b"1", b"2"]
    assert told == [0, 1, 2]


class FakeProducer:
    """Its buffer holds one record until it is flushed; ``silent``: Kafka never answers."""

    def __init__(self, silent=False):
        self.buffer, self.sent, self.silent = [], [], silent

    def produce(self, topic, value, key, *, headers, on_delivery):
        if value == b"large":
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        if self.buffer:
            raise BufferError
        self.buffer.append((topic, value))

    def poll(self, _seconds):
        return 0

    def flush(self, _seconds):
        if self.silent:
            return len(self.buffer)
        self.sent += self.buffer
        self.buffer = []
        return 0


def test_a_full_buffer_is_waited_for(offline, monkeypatch):
    fake = FakeProducer()
    monkeypatch.setattr(module, "Producer", lambda _config: fake)
    assert replay(offline, [letter(n, value=b"%d" % n) for n in range(3)], lambda _sent: None) == 3
    assert fake.sent == [("audit.events.v1", b"%d" % n) for n in range(3)]


def test_a_letter_too_large_for_the_client_does_not_stop_the_others(offline, monkeypatch):
    fake = FakeProducer()
    monkeypatch.setattr(module, "Producer", lambda _config: fake)
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        replay(offline, [letter(1, value=b"large"), letter(2)], lambda _sent: None)
    assert fake.sent == [("audit.events.v1", b"\x00v")]


def test_an_answer_that_does_not_come_is_an_error(offline, monkeypatch):
    monkeypatch.setattr(module, "Producer", lambda _config: FakeProducer(silent=True))
    with pytest.raises(KafkaException) as error:
        replay(offline, [letter(1)], lambda _sent: None)
    assert error.value.args[0].code() == KafkaError._TIMED_OUT
