"""What becomes of rows, with a Kafka made of a list."""

import time
from contextlib import suppress

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from orgtrail import Actor
from orgtrail.build import make_event
from orgtrail.envelope import seal
from orgtrail.outbox.flight import Flight
from orgtrail.outbox.store import Row

TOPIC = "audit.events.v1"
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
AWAY = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)


class Client:
    """Answers a whole set of records at each poll, as a broker does."""

    def __init__(self, bad=(), error=TOO_LARGE, room=1_000, raises=None):
        self.bad, self.error, self.room, self.raises = set(bad), error, room, raises or {}
        self.queue, self.sets = [], []

    def send(self, envelope, on_delivery):
        if len(self.queue) >= self.room:
            raise BufferError
        if envelope.event_id in self.raises:
            raise self.raises[envelope.event_id]
        self.queue.append((envelope.event_id, on_delivery))

    def poll(self, seconds):
        if not seconds or not self.queue:
            return
        batch, self.queue = self.queue, []
        self.sets.append([name for name, _ in batch])
        error = self.error if self.bad & set(self.sets[-1]) else None
        for _, tell in batch:
            tell(error, None)


def rows(count):
    made = []
    for position in range(1, count + 1):
        (event,) = make_event(
            "user.login", org_id="a", actor=Actor(id="u"), event_id=None, now_ms=1_790_000_000_000
        )
        made.append(Row(position, event.event_id, seal(event, 0, 0)))
    return made


def fly(client, sent, go_on=lambda _heard: None, alone=False):
    flight = Flight(alone=alone)
    flight.fly(client, sent, go_on)
    return flight


def test_all_are_acknowledged():
    flight = fly(Client(), rows(3))
    assert (flight.acknowledged, flight.refused, flight.trouble) == ([1, 2, 3], {}, None)


def test_a_refusal_of_a_set_is_a_suspicion_and_refuses_nobody():
    sent = rows(4)
    flight = fly(Client(bad=[sent[1].event_id]), sent)
    assert (flight.acknowledged, flight.refused, flight.suspected) == ([], {}, True)


def test_only_the_record_that_is_refused_alone_is_refused():
    """The client that refused is discarded, and the rest goes in the next flight."""
    sent = rows(4)
    client = Client(bad=[sent[1].event_id])
    flight = fly(client, sent, alone=True)
    assert flight.acknowledged == [1]
    assert list(flight.refused) == [2]
    assert "MSG_SIZE_TOO_LARGE" in flight.refused[2]
    assert (flight.suspected, flight.trouble is None) == (True, False)
    assert [len(s) for s in client.sets] == [1, 1]


@pytest.mark.parametrize("gapless", [True, False])
def test_nothing_overtakes_a_set_that_failed(broker, gapless):
    """Why the client is gapless: without it librdkafka goes on behind a set that was refused."""
    producer = Producer(
        {
            "bootstrap.servers": broker.address,
            "enable.idempotence": True,
            "enable.gapless.guarantee": gapless,
            "batch.num.messages": 50,
            "linger.ms": 200,
            "log_level": 0,
        }
    )
    producer.list_topics(timeout=5)
    broker.fail_produce(10)  # MESSAGE_TOO_LARGE
    told, given = [], 0
    # A gapless client refuses what comes after the failure, also while records are still given.
    with suppress(KafkaException):
        for number in range(300):
            producer.produce(
                TOPIC, b"x", b"k", on_delivery=lambda error, _, n=number: told.append((n, error))
            )
            given += 1
    deadline = time.monotonic() + 10
    while len(told) < given and time.monotonic() < deadline:
        with suppress(KafkaException):
            producer.poll(0.1)
    overtook = [number for number, error in told if error is None]
    assert overtook == ([] if gapless else list(range(50, 300)))


def test_a_trouble_ends_the_flight_and_refuses_nobody():
    sent = rows(4)
    flight = fly(Client(bad=[sent[1].event_id], error=AWAY, room=2), sent)
    assert (flight.acknowledged, flight.refused) == ([], {})
    assert "TOPIC_AUTHORIZATION_FAILED" in flight.trouble
    assert not flight.suspected


def test_a_full_buffer_is_waited_for():
    client = Client(room=2)
    assert fly(client, rows(5)).acknowledged == [1, 2, 3, 4, 5]
    assert [len(s) for s in client.sets] == [2, 2, 1]


def test_what_a_client_will_never_take_is_refused_at_once():
    sent = rows(3)
    client = Client(raises={
        sent[0].event_id: KafkaException(TOO_LARGE), sent[1].event_id: ValueError("no")
    })  # fmt: skip
    flight = fly(client, sent)
    assert flight.acknowledged == [3]
    assert "MSG_SIZE_TOO_LARGE" in flight.refused[1]
    assert flight.refused[2] == "the row was not written by the SDK (ValueError)"


def test_a_client_that_failed_is_a_trouble():
    sent = rows(3)
    fatal = KafkaException(KafkaError(KafkaError._FATAL))
    flight = fly(Client(raises={sent[1].event_id: fatal}), sent)
    assert "_FATAL" in flight.trouble
    assert flight.refused == {}


def test_a_row_without_an_envelope_is_refused():
    flight = fly(Client(), [Row(7, "x", None), *rows(1)])
    assert (flight.acknowledged, flight.refused) == ([1], {7: "the row was not written by the SDK"})


@pytest.mark.parametrize("room", [1_000, 1])
def test_the_caller_can_end_it(room):
    class Silent(Client):
        def poll(self, seconds):
            pass

    flight = fly(Silent(room=room), rows(2), lambda _heard: "enough")
    assert flight.trouble == "enough"
    assert flight.acknowledged == []
