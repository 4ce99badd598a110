"""Single records are fetched again as they are in Kafka."""

import pytest
from tests.support.events import RawProducer
from tests.support.mock_broker import MockBroker

from orgtrail_consumers.errors import RefetchError
from orgtrail_consumers.kafka import refetch as module
from orgtrail_consumers.kafka.refetch import refetch
from orgtrail_consumers.settings import ConsumerSettings

TOPIC = "audit.events.v1"


@pytest.fixture
def broker():
    made = MockBroker(TOPIC)
    yield made
    made.close()


@pytest.fixture
def settings(broker):
    return ConsumerSettings(kafka_brokers=broker.address)


def test_a_record_comes_back_whole(broker, settings):
    raw = RawProducer(broker.address)
    sent = [(b"one", None), (None, b"acme"), (b"\xff" * 200_000, b"acme"), (b"four", b"acme")]
    places = [
        raw.send(value, key, headers=[("h", b"\xff"), ("h", b"2")], partition=0)
        for value, key in sent
    ]
    offsets = [offset for _, offset in places]
    found = refetch(settings, TOPIC, 0, [offsets[0], offsets[2], offsets[1]])
    assert {offset: (r.value, r.key) for offset, r in found.items()} == {
        offset: sent[n] for n, offset in enumerate(offsets[:3])
    }
    one = found[offsets[0]]
    assert (one.offset, one.headers) == (offsets[0], [("h", b"\xff"), ("h", b"2")])
    assert one.timestamp > 1_700_000_000_000


def test_a_record_that_is_gone_is_missing(broker, settings):
    _, offset = RawProducer(broker.address).send(b"one", b"acme", partition=0)
    found = refetch(settings, TOPIC, 0, [offset, offset + 1, offset + 1_000])
    assert list(found) == [offset]


def test_a_broker_that_is_away_is_an_outage(monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_S", 0.5)
    settings = ConsumerSettings(kafka_brokers="127.0.0.1:1")
    with pytest.raises(RefetchError):
        refetch(settings, TOPIC, 0, [1])
