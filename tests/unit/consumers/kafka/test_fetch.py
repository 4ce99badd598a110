"""What the transport takes from Kafka's client at once: bounded in records and in bytes."""

import asyncio
import time
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
        self.end = 0
        self.subscriptions = SimpleNamespace(
            reassignment_in_progress=False, subscription=SimpleNamespace(assignment=object())
        )
        self._fetcher = SimpleNamespace(_subscriptions=self.subscriptions)

    def last_stable_offset(self, _tp):
        return self.end

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
    # A little less than the limit: what is beyond it would become a batch of its own.
    assert 96 <= len(found[P0]) <= 98


def test_what_is_large_in_keys_or_headers_is_bounded_too(monkeypatch):
    for more in ({"key": b"k" * 100_000}, {"headers": [("h", b"v" * 100_000)]}):
        client = Client(p0=[FakeRecord(b"v", offset=n, **more) for n in range(1000)])
        found, _ = taken(client, monkeypatch, max_bytes=10_000_000)
        assert 96 <= len(found[P0]) <= 99


def test_records_of_various_sizes_do_not_leave_small_batches(monkeypatch):
    """The first few say little about the rest: twice as many as expected may fit, or half."""
    for first, rest in ((200, 100), (100, 200)):
        sizes = [first] * 64 + [rest] * 20_000
        client = Client(p0=[FakeRecord(b"x" * size, offset=n) for n, size in enumerate(sizes)])
        found, _ = taken(client, monkeypatch, 100_000, 1_000_000)
        total = found[P0].size
        assert 0.95 * 1_000_000 < total <= 1_000_000


def test_a_batch_is_filled_from_several_answers_when_kafka_has_more(monkeypatch):
    client = Client(p0=records(1_700), p1=records(2_000))
    client.end = 5_000
    answers = deque([[], [], [FakeRecord(b"y", offset=1_700 + n) for n in range(500)]])
    take = client.take

    def late(partitions, want):
        if not client.held[P0] and answers:
            client.held[P0].extend(answers.popleft())
        return take(partitions, want)

    client.take = late
    found, _ = taken(client, monkeypatch, max_records=2_000)
    assert [record.offset for record in found[P0]] == list(range(2_000))
    assert list(found) == [P0]


def test_what_kafka_does_not_have_is_not_waited_for(monkeypatch):
    client = Client(p0=records(700))
    client.end = 900
    slept = []
    monkeypatch.setattr(asyncio, "sleep", slept.append)
    found, _ = taken(client, monkeypatch)
    assert (len(found[P0]), slept) == (700, [])


def test_what_does_not_come_is_not_waited_for_long(monkeypatch):
    client = Client(p0=records(700))
    client.end = 2_000
    began = time.monotonic()
    found, _ = taken(client, monkeypatch)
    assert len(found[P0]) == 700
    assert 0.2 <= time.monotonic() - began < 2


def test_nothing_is_added_after_a_rebalance_that_the_wait_did_not_see(monkeypatch):
    client = Client(p0=records(700))
    client.end = 2_000
    sleep = asyncio.sleep

    async def rebalance(seconds):
        client.subscriptions.subscription = SimpleNamespace(assignment=object())
        client.held[P0].extend(records(10))
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", rebalance)
    found, last_polled = taken(client, monkeypatch)
    assert (len(found[P0]), last_polled) == (700, {P0: 699})


def test_an_error_behind_records_loses_none_of_them(monkeypatch):
    client = Client(p0=[*records(100), CorruptRecordException()])
    found, _ = taken(client, monkeypatch)
    assert len(found[P0]) == 100
    client = Client(p0=[CorruptRecordException()])
    with pytest.raises(CorruptRecordException):
        taken(client, monkeypatch)


def test_nothing_is_added_to_a_batch_during_a_rebalance(monkeypatch):
    client = Client(p0=records(500))
    client.subscriptions.reassignment_in_progress = True
    found, _ = taken(client, monkeypatch)
    assert len(found[P0]) == 64
