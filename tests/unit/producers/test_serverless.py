import pytest
from tests.support.mock_broker import MockBroker

from orgtrail import Actor, AuditProducer, ProducerSettings
from orgtrail.serverless import audited


@pytest.fixture
def producer(tmp_path):
    broker = MockBroker()
    made = AuditProducer(ProducerSettings.load(kafka_brokers=broker.address, spool_dir=tmp_path))
    yield made
    made.close(1)
    broker.close()


def test_what_a_handler_emitted_is_delivered_when_it_answers(producer):
    @audited(producer=producer)
    def handler(number):
        producer.emit("user.login", org_id="acme", actor=Actor(id=number))
        return number

    for number in range(3):
        assert handler(number) == number
        assert producer.counters().acknowledged == number + 1


async def test_an_asynchronous_handler_too(producer):
    @audited(producer=producer)
    async def handler():
        producer.emit("user.login", org_id="acme", actor=Actor(id="u"))
        raise KeyError

    with pytest.raises(KeyError):
        await handler()
    assert producer.counters().acknowledged == 1
