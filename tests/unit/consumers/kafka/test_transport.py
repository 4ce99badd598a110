"""The way of a delivery: tracked before it is handed on, and never committed once it is revoked."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP
from tests.support.batches import FakeRecord, delivery

from orgtrail_consumers.kafka import transport
from orgtrail_consumers.kafka.batch import BatchLimits
from orgtrail_consumers.kafka.positions import Position
from orgtrail_consumers.kafka.records import Records
from orgtrail_consumers.kafka.transport import delivery_of

P0, P1 = TP("audit.events.v1", 0), TP("audit.events.v1", 1)


def position(at, last_polled=None):
    return Position(at, at, at, 0, last_polled)


def deliveries(*firsts):
    """Deliveries of two records each."""
    return [delivery(b"a", b"b", first_offset=first) for first in firsts]


async def commit(consumer):
    # Faust considers the partitions for which the agent acknowledged something.
    for message in consumer.handed:
        consumer._acked[message.tp].append(message.offset)
    await consumer.force_commit()
    return consumer._thread.committed


async def test_a_message_carries_its_delivery_and_the_offset_and_time_of_its_last_record(consumer):
    given = deliveries(5)
    await consumer._deliver(P0, given)
    (message,) = consumer.handed
    assert delivery_of(message) is given[0]
    assert (message.tp, message.offset) == (P0, 6)
    assert message.timestamp == given[0].last_timestamp / 1000


async def test_a_delivery_is_tracked_before_the_agent_sees_it(consumer):
    seen = []

    async def agent(message):
        seen.append(consumer.is_current(message))
        consumer.mark_stored(message)

    consumer.callback = agent
    await consumer._deliver(P0, deliveries(0, 2))
    assert seen == [True, True]
    assert consumer._new_offset(P0) == 4


async def test_only_what_is_stored_is_committed_whatever_the_agent_acknowledged(consumer):
    await consumer._deliver(P0, deliveries(0, 2, 4))
    assert await commit(consumer) == {}
    consumer.mark_stored(consumer.handed[1])
    assert await commit(consumer) == {}
    consumer.mark_stored(consumer.handed[0])
    assert await commit(consumer) == {P0: 4}
    assert not consumer.is_current(consumer.handed[0])
    assert consumer.is_current(consumer.handed[2])


async def test_a_revoked_delivery_is_neither_current_nor_committed(consumer):
    await consumer._deliver(P0, deliveries(0))
    await consumer._deliver(P1, deliveries(0))
    await consumer.on_partitions_revoked({P0})
    first, second = consumer.handed
    assert (consumer.is_current(first), consumer.is_current(second)) == (False, True)
    for message in consumer.handed:
        consumer.mark_stored(message)
    assert await commit(consumer) == {P1: 2}


async def test_deliveries_are_dropped_before_anybody_is_told_of_the_revocation(consumer):
    await consumer._deliver(P0, deliveries(0))
    current = []

    async def told(_revoked):
        current.append(consumer.is_current(consumer.handed[0]))

    consumer._on_partitions_revoked = told
    await consumer.on_partitions_revoked({P0})
    assert current == [False]


async def test_records_polled_before_an_assignment_are_forgotten(consumer):
    consumer._thread.last_polled = {P0: 9, P1: 9}
    await consumer.on_partitions_assigned({P0})
    assert consumer._thread.last_polled == {P1: 9}


@pytest.mark.parametrize("change", ["flow", "generation"])
async def test_nothing_more_is_delivered_after_a_rebalance_began(consumer, change):
    async def agent(message):
        consumer.handed.append(message)
        if change == "flow":
            consumer.stop_flow()
        else:
            consumer.app.consumer_generation_id += 1

    consumer.callback = agent
    given = deliveries(0, 2, 4)
    await consumer._deliver(P0, given)
    assert [delivery_of(message) for message in consumer.handed] == given[:1]
    # What was not handed on is not tracked either: it would block the partition's commits.
    assert not consumer.offsets.holds(P0, given[1])


async def test_a_busy_agent_does_not_hold_up_a_rebalance(consumer):
    async def busy(_message):
        await asyncio.Event().wait()

    consumer.callback = busy
    delivering = asyncio.ensure_future(consumer._deliver(P0, deliveries(0, 2)))
    await asyncio.sleep(0.01)
    assert not delivering.done()
    consumer.stop_flow()
    await asyncio.wait_for(delivering, 5)


@pytest.mark.parametrize(
    ("delivered", "stored", "last_polled", "expected"),
    [((), 0, None, 50), ((0,), 0, 1, 0), ((0, 2), 1, 3, 2), ((0,), 1, 1, 50), ((0,), 1, 9, 2)],
)
async def test_the_first_unstored_record_counts_for_the_lag(
    consumer, delivered, stored, last_polled, expected
):
    if delivered:
        await consumer._deliver(P0, deliveries(*delivered))
    for message in consumer.handed[:stored]:
        consumer.mark_stored(message)
    assert consumer.first_unstored(P0, position(50, last_polled)) == expected


async def drained(consumer, monkeypatch, *fetched):
    """Let the consumer take these answers of Kafka, then stop."""
    monkeypatch.setattr(transport, "_LINGER_S", 0)
    stopped, answers = asyncio.Event(), list(fetched)

    async def next_records(**_timeout):
        records = answers.pop(0)
        if not answers:
            stopped.set()
        return records, {P0}

    consumer._wait_next_records = next_records
    await asyncio.wait_for(consumer._drain_messages(SimpleNamespace(_stopped=stopped)), 10)


def records(count, first=0):
    return Records.of(FakeRecord(b"x", offset=first + n) for n in range(count))


async def test_fetched_records_become_batches_of_active_partitions(make_consumer, monkeypatch):
    consumer = make_consumer(limits=BatchLimits(2, 1_000))
    await drained(
        consumer, monkeypatch, {P0: records(3), P1: records(1)}, None, {P0: records(1, 3)}
    )
    found = [(m.tp, delivery_of(m).first_offset, m.offset) for m in consumer.handed]
    assert found == [(P0, 0, 1), (P0, 2, 2), (P0, 3, 3)]


@pytest.mark.parametrize("error", [None, IllegalStateError("rebalance")])
async def test_records_fetched_before_a_rebalance_are_fetched_again(consumer, monkeypatch, error):
    consumer.stop_flow()
    consumer._thread.error = error
    await drained(consumer, monkeypatch, {P0: records(2)}, {P0: records(2)})
    assert consumer._thread.calls == ["seek", "seek"]
    assert consumer.handed == []
