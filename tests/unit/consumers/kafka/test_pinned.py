"""What the transport overrides in, or knows of, Faust and aiokafka: read before you change a hash.

A hash that differs means that the library changed a method that we override or rely on. Read the
new source, check that the override still does what its comment says, and update the hash.
"""

import hashlib
import inspect
import re
from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.default_records import _DefaultRecordBatchPy
from faust.streams import Stream
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver

import orgtrail_consumers.kafka
from orgtrail_consumers.kafka.fetch import FetchThread
from orgtrail_consumers.kafka.transport import BatchConsumer, BatchTransport

BASES = {BatchConsumer: driver.Consumer, FetchThread: driver.AIOKafkaConsumerThread}
RELIED_ON = {
    "Consumer._wait_next_records": consumer.Consumer._wait_next_records,
    "Consumer.perform_seek": consumer.Consumer.perform_seek,
    "Consumer.ack": consumer.Consumer.ack,
    "Consumer._filter_committable_offsets": consumer.Consumer._filter_committable_offsets,
    "Consumer._commit_offsets": consumer.Consumer._commit_offsets,
    "Thread._ensure_consumer": driver.AIOKafkaConsumerThread._ensure_consumer,
    "driver.Consumer._to_message": driver.Consumer._to_message,
    "Stream._py_aiter": Stream._py_aiter,
    "AIOKafkaClient._metadata_update": AIOKafkaClient._metadata_update,
    "SubscriptionState.fetch_context": SubscriptionState.fetch_context,
    "Fetcher._unpack_records": fetcher.PartitionRecords._unpack_records,
    "_DefaultRecordBatchPy._maybe_uncompress": _DefaultRecordBatchPy._maybe_uncompress,
    "_DefaultRecordBatchPy._read_msg": _DefaultRecordBatchPy._read_msg,
}
"""Methods that are called, or whose effect is counted on."""


def overridden():
    """Each method of a library that a class of ours replaces."""
    return {
        f"{base.__name__}.{name}": getattr(base, name)
        for ours, base in BASES.items()
        for name, value in vars(ours).items()
        if callable(value) and name != "__init__" and hasattr(base, name)
    }


READ = overridden() | RELIED_ON
SEEN: dict[str, str] = {
    "Consumer._new_consumer_thread": "0870ec53dea75083",
    "Consumer.on_partitions_revoked": "d04b7ae72c6fc206",
    "Consumer.on_partitions_assigned": "29ce96596f05a18c",
    "Consumer._new_offset": "1d2c7ea89a7ad4f1",
    "Consumer._drain_messages": "44a2500309e83c63",
    "AIOKafkaConsumerThread._create_worker_consumer": "c2701bfc3e6f6cad",
    "AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1455a",
    "Consumer._wait_next_records": "6218e1969a636b3f",
    "Consumer.perform_seek": "0e8c130ff4b0afd8",
    "Consumer.ack": "5fcf41cf45153475",
    "Consumer._filter_committable_offsets": "dc5e9baf5d994485",
    "Consumer._commit_offsets": "1a69799041188441",
    "Thread._ensure_consumer": "ff4a4c693b7ec63f",
    "driver.Consumer._to_message": "7c24f6511b2fcef7",
    "Stream._py_aiter": "3a48ee257a65435b",
    "AIOKafkaClient._metadata_update": "06dc51ed3e0d38b8",
    "SubscriptionState.fetch_context": "ff2a654dca239cfe",
    "Fetcher._unpack_records": "b803e6d46480732c",
    "_DefaultRecordBatchPy._maybe_uncompress": "c9d0dc2bed50cc86",
    "_DefaultRecordBatchPy._read_msg": "0997ab7a58505c93",
}


def digest(method):
    return hashlib.sha256(inspect.getsource(method).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", READ)
def test_a_method_that_we_override_or_rely_on_is_the_one_that_was_read(name):
    assert digest(READ[name]) == SEEN[name]


def test_nothing_is_pinned_that_is_not_used():
    assert SEEN.keys() == READ.keys()


def test_the_classes_fit():
    assert issubclass(BatchConsumer, driver.Consumer)
    assert BatchTransport.Consumer is BatchConsumer
    assert fetcher.MemoryRecords is not None


PRIVATE = {
    "_subscriptions": fetcher.Fetcher,
    "_fetcher": driver.aiokafka.AIOKafkaConsumer,
    "_subscription": driver.aiokafka.AIOKafkaConsumer,
    "_topics": AIOKafkaClient,
    "_client": driver.aiokafka.AIOKafkaConsumer,
    "_buffer": _DefaultRecordBatchPy,
    "_thread": driver.Consumer,
    "_stopped": driver.Consumer,
    "_acked": consumer.Consumer,
    "_acked_index": consumer.Consumer,
    "_read_offset": consumer.Consumer,
    "_buffered_partitions": consumer.Consumer,
}
"""Private attributes of libraries that our code reads, by the class that sets them."""


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_attribute_is_still_set(name):
    source = "".join(inspect.getsource(kind) for kind in inspect.getmro(PRIVATE[name])[:-1]
                     if kind.__module__.split(".")[0] in ("faust", "aiokafka", "mode"))  # fmt: skip
    assert re.search(rf"\bself\.{name}\b|^\s+{name}\b", source, re.MULTILINE)


def test_every_private_attribute_that_is_used_is_listed():
    folder = Path(orgtrail_consumers.kafka.__file__).parent
    own = {
        "_begin",
        "_limits",
        "_accept_lost_ranges",
        "_checked_start",
        "_batch",
        "_entries",
        "_records",
    }
    for path in (folder / "transport.py", folder / "fetch.py", folder / "patches.py"):
        text = path.read_text()
        defined = set(re.findall(r"def (_\w+)\(", text)) | set(
            re.findall(r"self\.(_\w+)(?:: [^=]+)? = ", text)
        )
        used = set(re.findall(r"\.(_[a-z]\w*)\b", text)) - defined - own
        known = {name.rpartition(".")[2] for name in READ} | PRIVATE.keys()
        assert used <= known, (path.name, used - known)
