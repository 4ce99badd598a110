"""What the transport takes from Kafka's client at once: bounded in records and in bytes."""

import asyncio
from collections import deque
from types import SimpleNamespace

import pytest
from aiokafka.errors import CorruptRecordException
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from tests.support.batches import FakeRecord

from orgtrail_consumers.kafka.batch import BatchLimits
from orgtrail_consumers.kafka.fetch import FetchThread

P0, P1 = TP("t", 0), TP("t", 1)


class Client:
    """Holds fetched records by partition, and hands them out as aiokafka's fetcher does."""

    def __init__(self, **held):
        self.held = {TP("t", int(name[1:])): deque(records) for name, records in held.items()}
        self.asked = []
        self._fetcher = SimpleNamespace(
            _subscriptions=SimpleNamespace(reassignment_in_progress=False)
        )

    def take(self, partitions, want):
        self.asked.append(want)
        found = {}
        for tp, records in self.held.items():
            if partitions is not None and tp not in partitions:
                continue
            if not found and records and isinstance(records[0], Exception):
                raise records.popleft()
            taken = []
            while len(taken) < want and records and not isinstance(records[0], Exception):
                taken.append(records.popleft())
            if taken:
                found[tp] = taken
                want -= len(taken)
            if want == 0:
                break
        return found


def records(count, size=10):
    return [FakeRecord(b"x" * size, offset=n) for n in range(count)]


def taken(client, monkeypatch, max_records=1000, max_bytes=1_000_000):
    async def hand_out(_self, consumer, partitions, _timeout, max_records):
        return consumer.take(partitions, max_records)

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", hand_out)
    thread = object.__new__(FetchThread)
    thread.last_polled = {}
    thread.limits = BatchLimits(max_records, max_bytes)
    found = asyncio.run(thread._fetch_records(client, {P0, P1}, timeout=1.0))
    return found, thread.last_polled


def test_a_batch_is_of_the_partition_that_came_first(monkeypatch):
    client = Client(p0=records(1500), p1=records(500))
    found, last_polled = taken(client, monkeypatch, max_records=2000)
    assert [record.offset for record in found[P0]] == list(range(1500))
    assert list(found) == [P0]
    assert last_polled == {P0: 1499}


def test_few_records_come_from_every_partition_at_once(monkeypatch):
    """Else each would wait for the others' turn, and each turn lingers for more."""
    client = Client(p0=records(100), p1=records(100))
    found, last_polled = taken(client, monkeypatch)
    assert {tp: len(items) for tp, items in found.items()} == {P0: 100, P1: 100}
    assert last_polled == {P0: 99, P1: 99}


def test_no_more_records_than_a_batch_may_have(monkeypatch):
    found, last_polled = taken(Client(p0=records(5000)), monkeypatch)
    assert len(found[P0]) == 1000
    assert last_polled == {P0: 999}


def test_records_that_were_small_when_compressed_are_bounded_by_their_bytes(monkeypatch):
    client = Client(p0=records(1000, size=100_000))
    found, _ = taken(client, monkeypatch, max_bytes=10_000_000)
    assert len(found[P0]) == 100


def test_an_error_behind_records_loses_none_of_them(monkeypatch):
    client = Client(p0=[*records(100), CorruptRecordException()])
    found, _ = taken(client, monkeypatch)
    assert len(found[P0]) == 100
    client = Client(p0=[CorruptRecordException()])
    with pytest.raises(CorruptRecordException):
        taken(client, monkeypatch)


def test_nothing_is_added_to_a_batch_during_a_rebalance(monkeypatch):
    client = Client(p0=records(500))
    client._fetcher._subscriptions.reassignment_in_progress = True
    found, _ = taken(client, monkeypatch)
    assert len(found[P0]) == 64
