"""A Faust transport that hands batches to the agent instead of single records.

Faust spends 50 µs on each message, whatever its size, so here a message is a whole batch
(docs/decisions.md, "Batches, not events"). The worker, assignment, rebalancing and sensors remain
Faust's. tests/unit/consumers/kafka/test_pinned.py fails when Faust changes an overridden method.

Invariants:
- Every delivery is in the offset tracker before the agent sees it. Otherwise the agent could mark
  it as stored before the tracker knows it, and it would never be committed.
- For a revoked partition no insert is started and no offset is committed. Revocation clears the
  tracker first, and each insert attempt and each commit asks the tracker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import structlog
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from orgtrail_consumers import metrics
from orgtrail_consumers.errors import StopError
from orgtrail_consumers.kafka.batch import Batch, BatchLimits, Delivery, cut
from orgtrail_consumers.kafka.fetch import FEW_RECORDS, FetchThread
from orgtrail_consumers.kafka.lost_ranges import lost_range
from orgtrail_consumers.kafka.offsets import OffsetTracker
from orgtrail_consumers.kafka.positions import Partitions, Position
from orgtrail_consumers.kafka.records import Records

log = structlog.get_logger("orgtrail.consumer")

_LINGER_S = 0.2


class BatchConsumer(driver.Consumer):
    """Faust's consumer; the value of each message is a ``Delivery``."""

    def __init__(self, transport: BatchTransport, *args: Any, **kwargs: Any) -> None:
        self._limits = transport.limits
        self._accept_lost_ranges = transport.accept_lost_ranges
        super().__init__(transport, *args, **kwargs)
        self.offsets = OffsetTracker()
        self._checked_start: dict[TP, int] = {}

    @property
    def _client(self) -> FetchThread:
        return cast("FetchThread", self._thread)

    async def positions(self) -> dict[TP, Position]:
        """The positions of the assigned partitions. Those without an answer yet are missing."""
        return await self._client.positions(self.assignment())

    async def partitions(self, topic: str) -> Partitions | None:
        """The recent number of partitions of a topic; ``None`` before the first answer.

        Call this regularly. Each call asks Kafka, so a new partition is soon assigned.
        """
        return await self._client.partitions(topic)

    async def end_offsets(self) -> dict[TP, int]:
        """The end offsets of the assigned partitions a few seconds ago, for committed records.

        Unlike ``positions``, they also advance while nothing is fetched.
        """
        return await self._client.end_offsets(self.assignment())

    def first_unstored(self, tp: TP, position: Position) -> int:
        """The offset of the first record that is not stored; if all are, of the next record."""
        first = self.offsets.first_unstored(tp)
        if first is not None:
            return first
        delivered = self._read_offset[tp]
        if delivered is not None and self.offsets.waiting(tp, position.last_polled):
            return int(delivered)
        return position.position

    async def check_start(self, tp: TP, position: Position) -> None:
        """Report records that a partition lost before its assignment, even if none came since.

        Raises:
            StopError: records were lost, and lost ranges are not accepted.
        """
        expected = self._read_offset[tp]
        if (
            self.flow_active
            and position.last_polled is None
            and expected is not None
            and position.position > expected
            and self._checked_start.get(tp) != position.position
        ):
            try:
                await self._check_gap(tp, expected, position.position)
            except KafkaError as error:
                # Kafka is unreachable at the moment. The next check asks again.
                log.debug("start_offset_unavailable", error=type(error).__name__)
            else:
                self._checked_start[tp] = position.position

    async def stay_in_group(self) -> None:
        """Stay a member of the group while nothing is fetched. Call this regularly.

        aiokafka leaves the group after ``broker_max_poll_interval`` without a fetch, and nothing is
        fetched while ClickHouse is unreachable.
        """
        await self._client.stay_in_group()

    def mark_stored(self, message: ConsumerMessage) -> None:
        """Mark the message's delivery as stored. Call this before acknowledging the message."""
        self.offsets.mark_stored(message.tp, delivery_of(message))

    def is_current(self, message: ConsumerMessage) -> bool:
        """Whether the message's delivery belongs to the current assignment."""
        return self.offsets.holds(message.tp, delivery_of(message))

    def _new_consumer_thread(self) -> FetchThread:
        thread = FetchThread(self, loop=self.loop, beacon=self.beacon)
        thread.limits = self._limits
        return thread

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drop deliveries first, so that none is inserted or committed after the revocation."""
        for tp in revoked:
            self.offsets.forget(tp)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Forget records polled before the assignment, because they are fetched again."""
        for tp in assigned:
            self._client.last_polled.pop(tp, None)
            self._checked_start.pop(tp, None)
        await super().on_partitions_assigned(assigned, generation_id)

    def _new_offset(self, tp: TP) -> int | None:
        # Faust's own acknowledgements include skipped messages, so only the tracker decides.
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self.offsets.pop_committable(tp)

    async def _drain_messages(self, fetcher: Any) -> None:
        stopped: list[Callable[[], bool]] = [self._stopped.is_set, fetcher._stopped.is_set]
        try:
            while not any(is_set() for is_set in stopped):
                await asyncio.sleep(0)
                records, active = await self._wait_next_records(timeout=1.0)
                if records is None or self.should_stop:
                    continue
                if not self.flow_active:
                    try:
                        await self.perform_seek()
                    except KafkaError as error:
                        # Another rebalance happened meanwhile. The next iteration seeks again.
                        log.warning("seek_failed", error=type(error).__name__)
                    continue
                few = 0 < sum(map(len, records.values())) < FEW_RECORDS
                held = cast("dict[TP, Records]", dict(records))
                del records
                for tp in list(held):
                    # Pop the records, because this loop must not keep them alive.
                    fetched = self._to_deliveries(tp, held.pop(tp))
                    if active is None or tp in active or tp in self._buffered_partitions:
                        await self._deliver(tp, fetched)
                if few:
                    await self.sleep(_LINGER_S)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise

    def _to_deliveries(self, tp: TP, fetched: Records) -> list[Delivery]:
        return [
            Delivery(Batch(tp.topic, tp.partition, records))
            for records in cut(fetched, self._limits)
        ]

    async def _deliver(self, tp: TP, deliveries: list[Delivery]) -> None:
        generation = self.app.consumer_generation_id
        expected = self._read_offset[tp]
        if expected is not None and deliveries[0].first_offset != expected:
            await self._check_gap(tp, expected, deliveries[0].first_offset)
        for delivery in deliveries:
            if not self.flow_active or self.app.consumer_generation_id != generation:
                # A rebalance happened while the agent was busy. The next owner fetches the rest.
                return
            self.offsets.add(tp, delivery)
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            message = self._message(tp, delivery)
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
            self._read_offset[tp] = delivery.last_offset + 1

    async def _check_gap(self, tp: TP, expected: int, found: int) -> None:
        start = (await self.earliest_offsets(tp))[tp] if found > expected else found
        lost = lost_range(expected, found, start)
        if lost is None:
            return
        metrics.LOST.labels(str(tp.partition)).inc(lost.offsets)
        log.error("lost_range", partition=tp.partition, lost=lost.text)
        if not self._accept_lost_ranges:
            error = StopError(
                f"partition {tp.partition} of {tp.topic}: {lost.text}."
                " To continue with the remaining records, set ORGTRAIL_LOST_RANGES=accept"
            )
            log.error("consumer_stopping", error=str(error), partition=tp.partition)
            await self.app.crash(error)
            raise error
        # Report each lost range only once.
        self._read_offset[tp] = found

    def _message(self, tp: TP, delivery: Delivery) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic, tp.partition, delivery.last_offset, delivery.last_timestamp / 1000, 1,
            None, None, cast("bytes", delivery), None, 0, 0, tp, time_in=time.monotonic(),
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip


def delivery_of(message: Any) -> Delivery:
    """The delivery that a message carries; Faust declares every message's value as bytes."""
    return cast("Delivery", message.value)


class BatchTransport(driver.Transport):
    """Faust's Kafka transport with ``BatchConsumer``."""

    Consumer = BatchConsumer

    def __init__(
        self, url: Any, app: Any, limits: BatchLimits, *, accept_lost_ranges: bool
    ) -> None:
        self.limits = limits
        self.accept_lost_ranges = accept_lost_ranges
        super().__init__(url, app)
