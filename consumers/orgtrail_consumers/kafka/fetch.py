"""Fetching: the thread that runs the Kafka client, and the requests that it serves there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import structlog
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from orgtrail_consumers.kafka.batch import BatchLimits
from orgtrail_consumers.kafka.positions import Partitions, Position
from orgtrail_consumers.kafka.records import Records

log = structlog.get_logger("orgtrail.consumer")

FEW_RECORDS = 1_000
"""Below this number of records it pays to wait for more.

Inserting a single record costs as much as inserting this many.
"""

_FILL_UP_S = 0.2
"""How long a batch under way may wait for records that Kafka is known to have.

Large batches cost ClickHouse less, and large fetches cost memory for each partition: so a batch is
filled from several fetches.
"""

_POLL_S = 0.002
_END_OFFSETS_EVERY_S = 5
_AT_ONCE = 4_096
"""How many records to take as objects until they become columns."""

_FIRST_FETCH = 64
"""How many records to take before their average size is known."""


class FetchThread(driver.AIOKafkaConsumerThread):
    """Faust's client thread, limited to one batch per poll.

    The consumer that creates the thread sets ``limits``.
    """

    limits: BatchLimits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.last_polled: dict[TP, int] = {}
        self._partitions: Partitions | None = None
        self._partitions_request: asyncio.Task[None] | None = None
        self._end_offsets: dict[TP, int] = {}
        self._end_offsets_request: asyncio.Task[None] | None = None

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        # Faust sets read_committed only if it runs transactions of its own. The flag that it
        # checks has no other effect in this method.
        self.consumer.in_transaction = True
        try:
            return super()._create_worker_consumer(transport)
        finally:
            self.consumer.in_transaction = False

    async def positions(self, partitions: Iterable[TP]) -> dict[TP, Position]:
        """The positions of partitions. Partitions without an answer yet are missing."""
        return await self.call_thread(self._get_positions, list(partitions))

    async def _get_positions(self, partitions: list[TP]) -> dict[TP, Position]:
        consumer = self._ensure_consumer()
        positions = {}
        # A rebalance may have happened since the caller read the assignment.
        for tp in consumer.assignment() & set(partitions):
            end, stable = consumer.highwater(tp), consumer.last_stable_offset(tp)
            asked_at = consumer.last_poll_timestamp(tp)
            if end is not None and stable is not None and asked_at is not None:
                try:
                    position = await consumer.position(tp)
                except IllegalStateError:
                    continue
                last_polled = self.last_polled.get(tp)
                positions[tp] = Position(position, stable, end, asked_at, last_polled)
        return positions

    async def end_offsets(self, partitions: Iterable[TP]) -> dict[TP, int]:
        """The end offsets from the last answer. Starts a new request without waiting for it."""
        return await self.call_thread(self._get_end_offsets, list(partitions))

    async def _get_end_offsets(self, partitions: list[TP]) -> dict[TP, int]:
        if self._end_offsets_request is None or self._end_offsets_request.done():
            self._end_offsets_request = asyncio.create_task(self._request_end_offsets(partitions))
        return self._end_offsets

    async def _request_end_offsets(self, partitions: list[TP]) -> None:
        try:
            self._end_offsets = await self._ensure_consumer().end_offsets(partitions)
        except KafkaError as error:
            log.debug("end_offsets_unavailable", error=type(error).__name__)
        await asyncio.sleep(_END_OFFSETS_EVERY_S)

    async def partitions(self, topic: str) -> Partitions | None:
        """The partition count from the last answer. Starts a new request without waiting for it."""
        return await self.call_thread(self._get_partitions, topic)

    async def _get_partitions(self, topic: str) -> Partitions | None:
        if self._partitions_request is None or self._partitions_request.done():
            self._partitions_request = asyncio.create_task(self._request_partitions(topic))
        return self._partitions

    async def _request_partitions(self, topic: str) -> None:
        client = self._ensure_consumer()._client
        asked_at = int(time.time() * 1000)
        # force_metadata_update() may join a request that was sent earlier. This request is sent
        # now, so its answer cannot be older than asked_at.
        if await client._metadata_update(client.cluster, set(client._topics)):
            partitions = client.cluster.partitions_for_topic(topic)
            if partitions:
                self._partitions = Partitions(len(partitions), asked_at)

    async def stay_in_group(self) -> None:
        """Count as a poll. During an outage nothing is fetched, so nothing else does."""
        await self.call_thread(self._touch)

    async def _touch(self) -> None:
        # aiokafka measures the poll interval from the last time that this context was left.
        with self._ensure_consumer()._subscription.fetch_context():
            pass

    # Faust hands the answer on unread.
    async def _fetch_records(  # type: ignore[override]
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109
        max_records: int | None = None,  # noqa: ARG002
    ) -> dict[TP, Records]:
        """Return at most one batch, by records and by bytes. The rest stays compressed.

        Faust itself takes everything that the client has fetched. A few small responses may hold
        many highly compressible records.

        Invariants:
        - ``last_polled`` covers every returned record. The offset tracker relies on this: it shows
          that records are waiting although no delivery holds them yet.
        - All records are from one assignment, because a rebalance ends the loop as soon as some
          records are taken, even one that began and ended while this method slept.
        - No record that was taken is dropped. An error after the first records only ends the loop;
          the client raises it again at the next call.
        """
        taken: dict[TP, list[Records]] = {}
        # Only the first fetch waits. Afterwards, take what the client already has.
        count, taken_bytes, want, wait_s = 0, 0, _FIRST_FETCH, timeout
        partitions = active_partitions
        subscriptions = consumer._fetcher._subscriptions
        assignment, until = None, 0.0
        while want > 0:
            if count and (
                subscriptions.reassignment_in_progress
                or _assignment(subscriptions) is not assignment
            ):
                break
            try:
                more = await super()._fetch_records(consumer, partitions, wait_s, want)
            except KafkaError:
                if not count:
                    raise
                break
            if not more and partitions is not active_partitions and count < FEW_RECORDS:
                # The first partition is exhausted after few records: fill up from the others.
                partitions = active_partitions
                continue
            if not more and time.monotonic() < until and self._fills_up(consumer, set(taken)):
                await asyncio.sleep(_POLL_S)
                continue
            if not more:
                break
            if not count:
                assignment = _assignment(subscriptions)
                until = time.monotonic() + _FILL_UP_S
            for tp, records in more.items():
                taken.setdefault(tp, []).append(Records.of(records))
                self.last_polled[tp] = records[-1].offset
                count += len(records)
                taken_bytes += taken[tp][-1].size
            # A batch belongs to one partition, so continue with the same one. If it has many
            # records, those of the other partitions come with a later batch.
            partitions = set(taken)
            want, wait_s = min(self.limits.records - count, self._room(count, taken_bytes)), 0
        return {tp: Records.joined(parts) for tp, parts in taken.items()}

    def _room(self, count: int, taken_bytes: int) -> int:
        """How many more records to take, if they are as large as the average so far.

        At most half of what fits, because the average of few says little; and a little less than
        fits, because records beyond the limit would become a small batch of their own.
        """
        limit = self.limits.bytes - self.limits.bytes // 64
        fit = (limit - taken_bytes) * count // max(taken_bytes, 1)
        return min(max(fit // 2, min(fit, _FIRST_FETCH)), _AT_ONCE)

    def _fills_up(self, consumer: Any, of: set[TP]) -> bool:
        """Whether Kafka has as many more records of the partition as a batch may have."""
        if len(of) != 1:
            return False
        (tp,) = of
        end = consumer.last_stable_offset(tp)
        return end is not None and end - self.last_polled[tp] > self.limits.records


def _assignment(subscriptions: Any) -> object:
    """The present assignment; another one is another object."""
    return getattr(subscriptions.subscription, "assignment", None)
