"""What is reported each second: lag, progress, and whether Kafka answers."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from faust.types import TP
from tests.support.batches import delivery

from orgtrail_consumers import metrics
from orgtrail_consumers.health import Health
from orgtrail_consumers.kafka.offsets import OffsetTracker
from orgtrail_consumers.kafka.positions import Partitions, Position
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.storage.reporter import KAFKA_SILENT_MS, Reporter

TOPIC = "audit.events.v1"
P0, P1, OTHER = TP(TOPIC, 0), TP(TOPIC, 1), TP("other", 0)
NOW, MARGIN = 100_000, 5_000


def idle(asked_at=NOW, at=10):
    return Position(at, at, at, asked_at, None)


class Consumer:
    """A consumer with these positions; ``checked`` are the partitions whose start was checked."""

    def __init__(self, **positions):
        self.found = {TP(TOPIC, int(name[1:])): p for name, p in positions.items()}
        self.assigned = set(self.found)
        self.offsets, self.checked = OffsetTracker(), []
        self.count, self.ends, self.first = Partitions(2, NOW), {}, {}

    def assignment(self):
        return self.assigned

    async def positions(self):
        return self.found

    async def partitions(self, topic):
        return self.count

    async def end_offsets(self):
        return self.ends

    async def check_start(self, tp, position):
        self.checked.append(tp)

    def first_unstored(self, tp, position):
        return self.first.get(tp, position.position)


class Writer:
    def __init__(self):
        self.rows, self.error = [], None

    def insert(self, table, rows):
        assert table == "ingest_progress"
        if self.error:
            raise self.error
        self.rows += rows.to_pylist()

    def settled(self):
        """The last written time of each partition, in milliseconds."""
        return {r["kafka_partition"]: r["settled_through"].timestamp() * 1000 for r in self.rows}


@pytest.fixture
def reporter():
    metrics.LAG.clear()
    metrics.SETTLED.clear()
    with ThreadPoolExecutor(1) as executor:
        made = Reporter(ConsumerSettings(), MARGIN, Writer(), Health(), executor, lambda: NOW)
        yield made


def lag(partition):
    return metrics.LAG.labels(str(partition))._value.get()


async def test_idle_partitions_are_settled_up_to_the_margin(reporter):
    consumer = Consumer(p0=idle(), p1=idle(NOW - 1_000))
    await reporter.report(consumer)
    assert reporter._writer.settled() == {0: NOW - MARGIN, 1: NOW - MARGIN - 1_000}
    assert {row["partitions"] for row in reporter._writer.rows} == {2}
    assert sorted(consumer.checked) == [P0, P1]


def settled():
    return {int(p): gauge._value.get() for (p,), gauge in metrics.SETTLED._metrics.items()}


async def test_what_readers_can_see_is_a_metric(reporter):
    await reporter.report(Consumer(p0=idle(), p1=idle(NOW - 1_000)))
    assert settled() == {0: (NOW - MARGIN) / 1000, 1: (NOW - MARGIN - 1_000) / 1000}
    before = settled()
    reporter._writer.error = OSError("away")
    await reporter.report(Consumer(p0=idle(NOW + 5_000)))
    assert settled() == before
    reporter.forget()
    assert settled() == {}


async def test_a_partition_in_progress_is_settled_up_to_what_is_stored(reporter):
    consumer, stored = Consumer(p0=idle()), delivery(b"a")
    stored.last_timestamp = 90_000
    consumer.offsets.add(P0, stored)
    await reporter.report(consumer)
    assert reporter._writer.rows == []
    consumer.offsets.mark_stored(P0, stored)
    consumer.offsets.add(P0, delivery(b"b", first_offset=1))
    consumer.offsets.pop_committable(P0)
    await reporter.report(consumer)
    assert reporter._writer.settled() == {0: 90_000}


async def test_nothing_is_settled_before_kafka_said_how_many_partitions_there_are(reporter):
    consumer = Consumer(p0=idle())
    consumer.count = None
    await reporter.report(consumer)
    assert reporter._writer.rows == []


async def test_after_a_revocation_old_progress_is_not_written_any_more(reporter):
    await reporter.report(Consumer(p0=idle(), p1=idle()))
    reporter.forget()
    reporter._writer.rows.clear()
    await reporter.report(Consumer(p1=idle()))
    assert reporter._writer.settled().keys() == {1}
    assert {labels for (labels,) in metrics.LAG._metrics} == {"1"}


@pytest.mark.parametrize(
    ("first", "end", "expected"),
    [(10, None, 0), (4, None, 6), (4, 30, 26), (12, None, 0), (4, 7, 6)],
)
async def test_the_lag_is_what_is_not_stored_and_never_negative(reporter, first, end, expected):
    consumer = Consumer(p0=idle())
    consumer.first = {P0: first}
    consumer.ends = {} if end is None else {P0: end}
    await reporter.report(consumer)
    assert lag(0) == expected


async def test_other_topics_and_partitions_without_an_answer_are_left_out(reporter):
    consumer = Consumer(p0=idle())
    consumer.assigned = {P0, P1, OTHER}
    consumer.found[OTHER] = idle(at=99)
    await reporter.report(consumer)
    assert reporter._writer.settled().keys() == {0}
    assert consumer.checked == [P0]


@pytest.mark.parametrize(
    ("ages", "reasons"),
    [
        ([KAFKA_SILENT_MS], []),
        ([KAFKA_SILENT_MS + 7_001], ["Kafka: no answer for 12 s"]),
        # One partition's leader may be away while the others answer.
        ([60_000, 0], []),
        ([60_000, 9_000], ["Kafka: no answer for 9 s"]),
        ([], []),
    ],
)
async def test_kafka_is_unreachable_when_no_partition_was_answered(reporter, ages, reasons):
    reporter._health.failed("Kafka", "before")
    await reporter.report(Consumer(**{f"p{n}": idle(NOW - age) for n, age in enumerate(ages)}))
    assert reporter._health.reasons == reasons


async def test_kafka_is_not_blamed_while_records_wait_for_clickhouse(reporter):
    consumer = Consumer(p0=idle(NOW - 60_000))
    consumer.offsets.add(P0, delivery(b"a"))
    await reporter.report(consumer)
    assert reporter._health.reasons == []


async def test_progress_that_could_not_be_written_comes_with_the_next_report(reporter):
    reporter._writer.error = OSError("away")
    await reporter.report(Consumer(p0=idle()))
    reporter._writer.error = None
    await reporter.report(Consumer(p0=idle(NOW - 10_000)))
    # And it never falls.
    assert reporter._writer.settled() == {0: NOW - MARGIN}


async def test_a_loss_is_not_hidden(reporter):
    consumer = Consumer(p0=idle())

    async def lost(tp, position):
        raise RuntimeError("lost")

    consumer.check_start = lost
    with pytest.raises(RuntimeError):
        await reporter.report(consumer)
    assert reporter._writer.rows == []
