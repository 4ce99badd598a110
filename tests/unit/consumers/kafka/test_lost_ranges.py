"""Which gaps are losses, and what the transport does about them."""

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP
from tests.support.batches import delivery

from orgtrail_consumers import metrics
from orgtrail_consumers.errors import StopError
from orgtrail_consumers.kafka.lost_ranges import LostRange, lost_range
from orgtrail_consumers.kafka.positions import Position

P0 = TP("audit.events.v1", 0)


@pytest.mark.parametrize(
    ("expected", "found", "start", "lost"),
    [
        (10, 12, 0, None),
        (10, 12, 10, None),
        (10, 11, 11, LostRange(1, "offsets 10 to 10 were deleted before they were read")),
        (10, 25, 20, LostRange(10, "offsets 10 to 19 were deleted before they were read")),
        (0, 7, 7, LostRange(7, "offsets 0 to 6 were deleted before they were read")),
        (10, 3, 3, LostRange(0, "expected offset 10 but received 3: the topic was recreated")),
        (10, 0, 0, LostRange(0, "expected offset 10 but received 0: the topic was recreated")),
    ],
)
def test_a_gap_is_a_loss_only_if_the_topic_no_longer_has_its_records(expected, found, start, lost):
    assert lost_range(expected, found, start) == lost


def counted():
    return metrics.LOST.labels("0")._value.get()


def idle(at, last_polled=None):
    return Position(at, at, at, 0, last_polled)


async def deliver(consumer, first):
    await consumer._deliver(P0, [delivery(b"a", b"b", first_offset=first)])


async def test_a_gap_that_aborted_records_left_is_delivered(consumer):
    await deliver(consumer, 0)
    await deliver(consumer, 5)
    assert [message.offset for message in consumer.handed] == [1, 6]
    assert consumer.crashes == []


@pytest.mark.parametrize(
    ("first", "start", "text"),
    [(9, 8, "offsets 2 to 7 were deleted"), (0, 0, "the topic was recreated")],
)
async def test_a_loss_stops_the_worker_before_anything_is_delivered(consumer, first, start, text):
    await deliver(consumer, 0)
    consumer._thread.start[P0] = start
    with pytest.raises(StopError, match=rf"partition 0 .*{text}.*ORGTRAIL_LOST_RANGES=accept"):
        await deliver(consumer, first)
    assert [type(error) for error in consumer.crashes] == [StopError]
    assert len(consumer.handed) == 1


async def test_an_accepted_loss_is_counted_once_and_the_rest_is_delivered(make_consumer):
    consumer, before = make_consumer(accept_lost_ranges=True), counted()
    await deliver(consumer, 0)
    consumer._thread.start[P0] = 8
    await deliver(consumer, 8)
    await deliver(consumer, 10)
    assert counted() - before == 6
    assert [message.offset for message in consumer.handed] == [1, 9, 11]


async def test_records_lost_before_the_assignment_are_found_although_none_came(consumer):
    consumer._read_offset[P0] = 10
    consumer._thread.start[P0] = 30
    with pytest.raises(StopError, match="offsets 10 to 29 were deleted"):
        await consumer.check_start(P0, idle(30))


async def test_the_loss_of_an_idle_partition_is_counted_once_if_it_is_accepted(make_consumer):
    consumer, before = make_consumer(accept_lost_ranges=True), counted()
    consumer._read_offset[P0] = 10
    consumer._thread.start[P0] = 30
    for _ in range(3):
        await consumer.check_start(P0, idle(30))
    await deliver(consumer, 30)
    assert counted() - before == 20


async def test_an_idle_partition_is_not_asked_again_until_it_is_assigned_again(consumer):
    consumer._read_offset[P0] = 10
    await consumer.check_start(P0, idle(12))
    await consumer.check_start(P0, idle(12))
    assert consumer._thread.calls == ["earliest_offsets"]
    await consumer.on_partitions_assigned({P0})
    await consumer.check_start(P0, idle(12))
    assert len(consumer._thread.calls) == 2


@pytest.mark.parametrize(
    ("read_offset", "position", "flow"),
    [
        (None, idle(30), True), (30, idle(30), True), (31, idle(30), True),
        (10, idle(30, last_polled=9), True), (10, idle(30), False),
    ],
)  # fmt: skip
async def test_the_start_is_not_asked_for_without_a_reason(consumer, read_offset, position, flow):
    consumer._read_offset[P0], consumer.flow_active = read_offset, flow
    await consumer.check_start(P0, position)
    assert consumer._thread.calls == []


async def test_the_start_is_asked_for_again_when_kafka_did_not_answer(consumer):
    consumer._read_offset[P0] = 10
    consumer._thread.start[P0], consumer._thread.error = 30, KafkaConnectionError()
    await consumer.check_start(P0, idle(30))
    assert consumer.crashes == []
    consumer._thread.error = None
    with pytest.raises(StopError):
        await consumer.check_start(P0, idle(30))
