"""A broker with both topics, and a worker's settings that name it."""

import pytest
from tests.support.mock_broker import MockBroker

from orgtrail_consumers.settings import ConsumerSettings


@pytest.fixture
def broker():
    """A broker with empty topics, which may be hurt."""
    made = MockBroker("audit.events.v1.dlq")
    made.do("topic", "audit.events.v1")
    yield made
    made.close()


@pytest.fixture
def settings(broker, tmp_path):
    return ConsumerSettings(kafka_brokers=broker.address, data_dir=tmp_path)


@pytest.fixture
def offline(tmp_path):
    """Settings for tests whose client is a fake."""
    return ConsumerSettings(data_dir=tmp_path)
