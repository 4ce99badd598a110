"""Faust's methods that the transport overrides or relies on: a change there must be read first."""

import hashlib
import inspect

import pytest
from aiokafka.client import AIOKafkaClient
from faust.streams import Stream
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver

from orgtrail_consumers.kafka.transport import BatchConsumer, BatchTransport

READ = {
    "Consumer._drain_messages": consumer.Consumer._drain_messages,
    "Consumer._new_offset": consumer.Consumer._new_offset,
    "Consumer._wait_next_records": consumer.Consumer._wait_next_records,
    "Consumer.on_partitions_revoked": consumer.Consumer.on_partitions_revoked,
    "Consumer.perform_seek": consumer.Consumer.perform_seek,
    "Consumer.ack": consumer.Consumer.ack,
    "Consumer._filter_committable_offsets": consumer.Consumer._filter_committable_offsets,
    "Consumer._commit_offsets": consumer.Consumer._commit_offsets,
    "Thread._create_worker_consumer": driver.AIOKafkaConsumerThread._create_worker_consumer,
    "driver.Consumer._to_message": driver.Consumer._to_message,
    "Stream._py_aiter": Stream._py_aiter,
    "AIOKafkaClient._metadata_update": AIOKafkaClient._metadata_update,
}

SEEN: dict[str, str] = {
    "Consumer._drain_messages": "44a2500309e83c63",
    "Consumer._new_offset": "1d2c7ea89a7ad4f1",
    "Consumer._wait_next_records": "6218e1969a636b3f",
    "Consumer.on_partitions_revoked": "d04b7ae72c6fc206",
    "Consumer.perform_seek": "0e8c130ff4b0afd8",
    "Consumer.ack": "5fcf41cf45153475",
    "Consumer._filter_committable_offsets": "dc5e9baf5d994485",
    "Consumer._commit_offsets": "1a69799041188441",
    "Thread._create_worker_consumer": "c2701bfc3e6f6cad",
    "driver.Consumer._to_message": "7c24f6511b2fcef7",
    "Stream._py_aiter": "3a48ee257a65435b",
    "AIOKafkaClient._metadata_update": "06dc51ed3e0d38b8",
}


@pytest.mark.parametrize("name", READ)
def test_what_we_override_is_what_was_read(name):
    source = inspect.getsource(READ[name])
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == SEEN[name]


def test_the_names_are_still_there():
    assert issubclass(BatchConsumer, driver.Consumer)
    assert BatchTransport.Consumer is BatchConsumer
