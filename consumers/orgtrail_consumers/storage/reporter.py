"""Reports lag, progress, and whether Kafka is reachable, once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import structlog

from orgtrail_consumers import metrics
from orgtrail_consumers.errors import describe
from orgtrail_consumers.health import Health
from orgtrail_consumers.kafka.transport import BatchConsumer
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.storage.progress import progress_rows, settled_through
from orgtrail_consumers.storage.writer import Inserter, WriteError

KAFKA_SILENT_MS = 5_000
"""Milliseconds without an answer until Kafka counts as unreachable.

Kafka answers each fetch within 1.5 s, even if there are no records.
"""

log = structlog.get_logger("orgtrail.consumer")


class Reporter:
    """Tracks and writes the time up to which each assigned partition is settled."""

    def __init__(
        self,
        settings: ConsumerSettings,
        idle_margin_ms: int,
        writer: Inserter,
        health: Health,
        executor: Executor,
        now_ms: Callable[[], int],
    ) -> None:
        """``idle_margin_ms`` is the safety margin for idle partitions (see ``validate_topic``)."""
        self._idle_margin_ms = idle_margin_ms
        self._settings = settings
        self._writer = writer
        self._health = health
        self._executor = executor
        self._now_ms = now_ms
        self._settled: dict[int, int] = {}

    def forget(self) -> None:
        """Forget all progress. After a revocation, this worker must not write it any more."""
        self._settled.clear()
        metrics.LAG.clear()
        metrics.SETTLED.clear()

    async def report(self, consumer: BatchConsumer) -> None:
        """Measure once, and write the progress to ``audit.ingest_progress``."""
        topic, offsets = self._settings.topic, consumer.offsets
        positions = await consumer.positions()
        partitions = await consumer.partitions(topic)
        end_offsets = await consumer.end_offsets()
        silence: list[int] = []
        for tp in consumer.assignment():
            if tp.topic != topic:
                continue
            position = positions.get(tp)
            if position is not None:
                # While records wait for ClickHouse, nothing is fetched. A long time since the last
                # fetch is then not a sign that Kafka is unreachable.
                if not offsets.waiting(tp, position.last_polled):
                    silence.append(self._now_ms() - position.asked_at)
                await consumer.check_start(tp, position)
                end = max(position.high_watermark, end_offsets.get(tp, 0))
                lag = end - consumer.first_unstored(tp, position)
                metrics.LAG.labels(str(tp.partition)).set(max(0, lag))
                # From zero, so that the first loss is seen as an increase.
                metrics.LOST.labels(str(tp.partition))
            reached = settled_through(
                self._settled.get(tp.partition),
                offsets.stored_through(tp),
                offsets.in_progress(tp, position.last_polled if position else None),
                position,
                partitions.asked_at if partitions else None,
                self._idle_margin_ms,
            )
            if reached is not None:
                self._settled[tp.partition] = reached
        if silence and min(silence) > KAFKA_SILENT_MS:
            self._health.failed("Kafka", f"no answer for {min(silence) // 1000} s")
        else:
            self._health.succeeded("Kafka")
        if self._settled and partitions:
            await self._write(partitions.number)

    async def _write(self, partitions: int) -> None:
        written = dict(self._settled)
        rows = progress_rows(self._settings.topic, partitions, written)
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._executor, self._writer.insert, "ingest_progress", rows
            )
        except WriteError as error:
            log.warning("progress_write_failed", error=describe(error))
            return
        # A revocation meanwhile took them away.
        for partition in written.keys() & self._settled.keys():
            metrics.SETTLED.labels(str(partition)).set(written[partition] / 1000)
