"""What a worker reports every second: lag, progress, and whether Kafka answers."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

import structlog

from orgtrail_consumers import metrics
from orgtrail_consumers.clickhouse import WriteError, Writer
from orgtrail_consumers.failure import describe
from orgtrail_consumers.health import Health
from orgtrail_consumers.pipeline import wall_clock_ms
from orgtrail_consumers.progress import progress_rows, settled_through
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_consumers.transport import BatchConsumer

KAFKA_SILENT_MS = 5_000
"""Without an answer for so long Kafka counts as away: it answers each fetch within 1.5 s."""

log = structlog.get_logger("orgtrail.consumer")


class Reporter:
    """Keeps up to when each assigned partition is settled."""

    def __init__(
        self,
        settings: ConsumerSettings,
        idle_margin_ms: int,
        writer: Writer,
        health: Health,
        executor: Executor,
    ) -> None:
        """``idle_margin_ms`` is how far behind the clock what is idle counts as settled."""
        self._idle_margin_ms = idle_margin_ms
        self._settings = settings
        self._writer = writer
        self._health = health
        self._executor = executor
        self._settled: dict[int, int] = {}

    def forget(self) -> None:
        """Partitions were taken away: what was known of them must not be written any more."""
        self._settled.clear()
        metrics.LAG.clear()

    async def report(self, consumer: BatchConsumer) -> None:
        """Look once, and write the rows of ``audit.ingest_progress``."""
        topic, ledger = self._settings.topic, consumer.ledger
        positions = await consumer.positions()
        partitions = await consumer.partitions(topic)
        ends = await consumer.ends()
        silence: list[int] = []
        for tp in consumer.assignment():
            if tp.topic != topic:
                continue
            where = positions.get(tp)
            if where is not None:
                # Behind records that wait for ClickHouse nothing is asked of Kafka.
                if not ledger.waiting(tp, where.handed_out):
                    silence.append(wall_clock_ms() - where.asked_at)
                await consumer.check_beginning(tp, where)
                end = max(where.end, ends.get(tp, 0))
                lag = end - consumer.first_unstored(tp, where)
                metrics.LAG.labels(str(tp.partition)).set(max(0, lag))
            reached = settled_through(
                self._settled.get(tp.partition),
                ledger.stored_through(tp),
                ledger.under_way(tp, where.handed_out if where else None),
                where,
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
        rows = progress_rows(self._settings.topic, partitions, self._settled)
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._executor, self._writer.insert, "ingest_progress", rows
            )
        except WriteError as error:
            log.warning("progress_not_written", error=describe(error))
