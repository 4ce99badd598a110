"""A Faust transport that hands agents batches instead of single records.

Faust spends 50 µs on each message, whatever it is; here a message is a batch (docs/decisions.md,
"Batches, not events"). Worker, assignment, rebalancing and sensors stay Faust's. What is
overridden is guarded by tests/contract/test_faust.py, which fails when Faust changes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import structlog
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from orgtrail_consumers import metrics
from orgtrail_consumers.batch import Batch, cut, size
from orgtrail_consumers.failure import StopError
from orgtrail_consumers.ledger import Ledger

log = structlog.get_logger("orgtrail.consumer")


class Position(NamedTuple):
    """Where a partition stands, as of the last answer to a fetch.

    ``position`` is the next offset to fetch, ``stable_end`` the end for readers of committed
    records, ``end`` that of the log; ``asked_at`` is when (ms since 1970, by this machine's clock).
    ``handed_out`` is the last offset that left the client; ``None`` when none did.
    """

    position: int
    stable_end: int
    end: int
    asked_at: int
    handed_out: int | None


class Partitions(NamedTuple):
    """How many partitions a topic has, by an answer to what was asked at ``asked_at`` (ms)."""

    number: int
    asked_at: int


_ENDS_EVERY_S = 5
_FIRST_FEW = 64
"""How many records are taken before their size is known."""
_FEW, _LINGER_S = 1_000, 0.2
"""After fewer records than this more are waited for: inserting one costs as much as a thousand."""


class _Thread(driver.AIOKafkaConsumerThread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.handed_out: dict[TP, int] = {}
        self._partitions: Partitions | None = None
        self._look: asyncio.Task[None] | None = None
        self._ends: dict[TP, int] = {}
        self._ends_look: asyncio.Task[None] | None = None

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        # Faust reads uncommitted records unless it runs transactions of its own; the flag that it
        # looks at decides about nothing else here.
        self.consumer.in_transaction = True
        try:
            return super()._create_worker_consumer(transport)
        finally:
            self.consumer.in_transaction = False

    async def positions(self, partitions: Iterable[TP]) -> dict[TP, Position]:
        """Where partitions stand, asked in the thread that the client lives in."""
        return await self.call_thread(self._positions, list(partitions))

    async def _positions(self, partitions: list[TP]) -> dict[TP, Position]:
        consumer = self._ensure_consumer()
        found = {}
        # A rebalance may have come since the caller looked.
        for tp in consumer.assignment() & set(partitions):
            end, stable = consumer.highwater(tp), consumer.last_stable_offset(tp)
            asked_at = consumer.last_poll_timestamp(tp)
            if end is not None and stable is not None and asked_at is not None:
                try:
                    position = await consumer.position(tp)
                except IllegalStateError:
                    continue
                handed_out = self.handed_out.get(tp)
                found[tp] = Position(position, stable, end, asked_at, handed_out)
        return found

    async def ends(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """Where partitions ended at the last look; a look is begun, and not waited for."""
        return await self.call_thread(self._look_at_ends, list(partitions))

    async def _look_at_ends(self, partitions: list[TP]) -> dict[TP, int]:
        if self._ends_look is None or self._ends_look.done():
            self._ends_look = asyncio.create_task(self._ask_for_ends(partitions))
        return self._ends

    async def _ask_for_ends(self, partitions: list[TP]) -> None:
        try:
            self._ends = await self._ensure_consumer().end_offsets(partitions)
        except KafkaError as error:
            log.debug("ends_not_known", error=type(error).__name__)
        await asyncio.sleep(_ENDS_EVERY_S)

    async def partitions(self, topic: str) -> Partitions | None:
        """How many a topic had at the last look; a look is begun, and not waited for."""
        return await self.call_thread(self._look_at_partitions, topic)

    async def _look_at_partitions(self, topic: str) -> Partitions | None:
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._ask_for_partitions(topic))
        return self._partitions

    async def _ask_for_partitions(self, topic: str) -> None:
        client = self._ensure_consumer()._client
        asked_at = int(time.time() * 1000)
        # Sent now, unlike force_metadata_update(), which may join a request that is under way.
        if await client._metadata_update(client.cluster, set(client._topics)):
            found = client.cluster.partitions_for_topic(topic)
            if found:
                self._partitions = Partitions(len(found), asked_at)

    async def stay_in_group(self) -> None:
        """Count as a poll: the loop runs, though an outage lets nothing be fetched."""
        await self.call_thread(self._touch)

    async def _touch(self) -> None:
        with self._ensure_consumer()._subscription.fetch_context():
            pass

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109
        max_records: int | None = None,  # noqa: ARG002
    ) -> dict[TP, list[Any]]:
        """At most a batch, by records and by bytes: the rest stays compressed in the client.

        Without a bound Faust takes all that was fetched, and a few small answers may hold a great
        deal of compressible records.
        """
        limits = cast("BatchConsumer", self.consumer)
        taken: dict[TP, list[Any]] = {}
        count, taken_bytes, want, patience = 0, 0, _FIRST_FEW, timeout
        partitions = active_partitions
        while want > 0:
            # Within one batch nothing may wait: a rebalance would mix two assignments in it.
            if count and consumer._fetcher._subscriptions.reassignment_in_progress:
                break
            try:
                more = await super()._fetch_records(consumer, partitions, patience, want)
            except KafkaError:
                # What was taken must not be lost; the client meets the error again.
                if not count:
                    raise
                break
            if not more and partitions is not active_partitions and count < _FEW:
                partitions = active_partitions
                continue
            if not more:
                break
            for tp, records in more.items():
                taken.setdefault(tp, []).extend(records)
                self.handed_out[tp] = records[-1].offset
                count += len(records)
                taken_bytes += size(records)
            # A batch is of one partition: the others' records come with the next, if it has many.
            partitions = set(taken)
            room = (limits.max_bytes - taken_bytes) * count // max(taken_bytes, 1)
            want, patience = min(limits.max_records - count, room), 0
        return taken


class BatchConsumer(driver.Consumer):
    """Faust's consumer; each message's value is a ``Batch``."""

    max_records = 20_000
    max_bytes = 16 * 1024 * 1024
    accept_lost_ranges = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger: Ledger[TP] = Ledger()
        self._begun_at: dict[TP, int] = {}

    async def positions(self) -> dict[TP, Position]:
        """Where the assigned partitions stand; those without an answer yet are missing."""
        return await cast("_Thread", self._thread).positions(self.assignment())

    async def partitions(self, topic: str) -> Partitions | None:
        """How many partitions a topic had a moment ago; ``None`` before the first answer.

        Call now and then: each call looks, so that a partition that is added is soon assigned.
        """
        return await cast("_Thread", self._thread).partitions(topic)

    async def ends(self) -> dict[TP, int]:
        """Where the assigned partitions ended a few seconds ago, for readers of committed records.

        Unlike ``positions`` this goes on while nothing is fetched.
        """
        return await cast("_Thread", self._thread).ends(self.assignment())

    def first_unstored(self, tp: TP, where: Position) -> int:
        """The offset of the first record that is not stored, or of the next to come."""
        first = self.ledger.first_unstored(tp)
        if first is not None:
            return first
        delivered = self._read_offset[tp]
        if delivered is not None and self.ledger.waiting(tp, where.handed_out):
            return delivered
        return where.position

    async def check_beginning(self, tp: TP, where: Position) -> None:
        """Report what a partition lost before it was assigned, though no record came from it yet.

        Raises:
            StopError: something was lost, and lost ranges are not accepted.
        """
        expected = self._read_offset[tp]
        if (
            self.flow_active
            and where.handed_out is None
            and expected is not None
            and where.position > expected
            and self._begun_at.get(tp) != where.position
        ):
            try:
                await self._check_gap(tp, expected, where.position)
            except KafkaError as error:
                # Away at this moment: the next look asks again.
                log.debug("beginning_not_known", error=type(error).__name__)
            else:
                self._begun_at[tp] = where.position

    async def stay_in_group(self) -> None:
        """Call now and then: without it a worker that waits for ClickHouse is put out of the group.

        aiokafka leaves after ``broker_max_poll_interval`` without a fetch, and an outage fetches
        nothing.
        """
        await cast("_Thread", self._thread).stay_in_group()

    def stored(self, message: ConsumerMessage) -> None:
        """The message's batch is stored: call before acknowledging it."""
        self.ledger.mark_stored(message.tp, message.value)

    def current(self, message: ConsumerMessage) -> bool:
        """Whether the batch belongs to the present assignment."""
        return self.ledger.holds(message.tp, message.value)

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget first of all: what is under way is neither inserted nor committed from here on."""
        for tp in revoked:
            self.ledger.forget(tp)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin anew with what was handed out: it is fetched again."""
        for tp in assigned:
            cast("_Thread", self._thread).handed_out.pop(tp, None)
            self._begun_at.pop(tp, None)
        await super().on_partitions_assigned(assigned, generation_id)

    def _new_offset(self, tp: TP) -> int | None:
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self.ledger.take_committable(tp)

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
                        # Another rebalance came meanwhile: its partitions are sought next.
                        log.warning("not_sought", error=type(error).__name__)
                    continue
                for tp, fetched in records.items():
                    if active is None or tp in active or tp in self._buffered_partitions:
                        await self._deliver(tp, fetched)
                if 0 < sum(map(len, records.values())) < _FEW:
                    await self.sleep(_LINGER_S)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise

    async def _deliver(self, tp: TP, fetched: list[Any]) -> None:
        generation = self.app.consumer_generation_id
        expected = self._read_offset[tp]
        if expected is not None and fetched[0].offset != expected:
            await self._check_gap(tp, expected, fetched[0].offset)
        for records in cut(fetched, self.max_records, self.max_bytes):
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            batch = Batch(tp.topic, tp.partition, records)
            end = batch.last_offset + 1
            self.ledger.add(tp, batch)
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            await self.wait_first(self.callback(self._message(tp, batch)), self.suspend_flow.wait())
            self._read_offset[tp] = end

    async def _check_gap(self, tp: TP, expected: int, found: int) -> None:
        """Offsets are missing: aborted records and markers leave gaps too, retention loses them.

        aiokafka goes on at the topic's start when its position is gone, and says nothing.
        """
        if found > expected:
            start = (await self.earliest_offsets(tp))[tp]
            if start <= expected:
                return
            metrics.LOST.labels(str(tp.partition)).inc(start - expected)
            lost = f"offsets {expected} to {start - 1} were deleted before they were read"
        else:
            lost = f"offset {expected} was to come and {found} came: the topic was made anew"
        log.error("lost_range", partition=tp.partition, lost=lost)
        if not self.accept_lost_ranges:
            error = StopError(
                f"partition {tp.partition} of {tp.topic}: {lost}."
                " To go on with what is there, set ORGTRAIL_LOST_RANGES=accept"
            )
            log.error("consumer_stops", error=str(error), partition=tp.partition)
            await self.app.crash(error)
            raise error
        # Said once.
        self._read_offset[tp] = found

    def _message(self, tp: TP, batch: Batch) -> ConsumerMessage:
        last = batch.records[-1]
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, 1, None, None,
            batch, None, 0, 0, tp, time_in=time.monotonic(),
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip


class BatchTransport(driver.Transport):
    """Faust's Kafka transport with ``BatchConsumer``."""

    Consumer = BatchConsumer
