"""The pipeline: from the records of one batch to acknowledged rows and dead letters."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import stamina
import structlog

from orgtrail_consumers import metrics
from orgtrail_consumers.dead_letters.breaker import Breaker
from orgtrail_consumers.dead_letters.producer import DeadLetterSink
from orgtrail_consumers.dead_letters.rows import dead_letter_rows
from orgtrail_consumers.errors import (
    DeadLetterError,
    DefectError,
    RegistryUnavailableError,
    StaleBatchError,
    describe,
)
from orgtrail_consumers.health import Health
from orgtrail_consumers.kafka.batch import Batch, Delivery, Rejected
from orgtrail_consumers.steps.decode import Decoded, FindSchema, decode
from orgtrail_consumers.steps.enrich import Resolvers, enrich
from orgtrail_consumers.steps.keys import mismatches, reject
from orgtrail_consumers.steps.normalize import normalize
from orgtrail_consumers.steps.people import PersonCache, people
from orgtrail_consumers.storage.writer import Inserter, WriteError
from orgtrail_consumers.traces import EndTrace, TraceBatch
from orgtrail_schemas.catalogue import catalogue

T = TypeVar("T")

log = structlog.get_logger("orgtrail.consumer")

TRANSIENT_ERRORS = (*WriteError, DeadLetterError, RegistryUnavailableError)
"""Errors that a retry may resolve. Any other error is a bug."""


class Prepared(NamedTuple):
    """A batch as rows to insert and records to dead-letter."""

    rows: pa.Table
    rejected: Sequence[Rejected]


class _Work(NamedTuple):
    rows: pa.Table
    records: int
    oldest_ms: int
    end_trace: EndTrace


@dataclass(frozen=True)
class Pipeline:
    """The steps and their clients, assembled once at startup."""

    find_schema: FindSchema
    resolvers: Resolvers
    writer: Inserter
    dead_letters: DeadLetterSink
    person_cache: PersonCache
    executor: Executor
    health: Health
    breaker: Breaker
    trace: TraceBatch
    now_ms: Callable[[], int]
    reject_key_mismatches: bool = False
    skipped: Set[tuple[int, int]] = frozenset()
    """The partition and offset of records to dead-letter unread."""

    def prepare(self, batch: Batch) -> Prepared:
        """Decode and enrich a batch.

        A record on which a step fails does not hold up the others: it is found by bisection and
        rejected.
        """
        skipped = [
            Rejected(position, "skipped", "by ORGTRAIL_SKIP_OFFSETS")
            for position, record in enumerate(batch.records)
            if (batch.partition, record.offset) in self.skipped
        ]
        if not skipped:
            return self._prepare_or_bisect(batch)
        positions = {item.position for item in skipped}
        kept = [position for position in range(len(batch.records)) if position not in positions]
        rest = batch._replace(records=[batch.records[position] for position in kept])
        prepared = self._prepare_or_bisect(rest)
        moved = [item._replace(position=kept[item.position]) for item in prepared.rejected]
        return Prepared(prepared.rows, [*skipped, *moved])

    def _prepare_or_bisect(self, batch: Batch) -> Prepared:
        try:
            return self._prepare(batch)
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:
            log.error("step_failed_on_a_record", error=describe(error), records=len(batch.records))
            if len(batch.records) == 1:
                return Prepared(_no_rows(), [Rejected(0, "unprocessable", describe(error))])
        middle = len(batch.records) // 2
        first, second = (
            self._prepare_or_bisect(batch._replace(records=records))
            for records in (batch.records[:middle], batch.records[middle:])
        )
        moved = [item._replace(position=item.position + middle) for item in second.rejected]
        rows = [part.rows for part in (first, second) if part.rows.num_rows]
        return Prepared(pa.concat_tables(rows) if rows else first.rows, [*first.rejected, *moved])

    def _prepare(self, batch: Batch) -> Prepared:
        with metrics.STEP_SECONDS.labels("decode").time():
            decoded = decode([record.value for record in batch.records], self.find_schema)
            decoded = normalize(decoded, catalogue())
            decoded = self._check_keys(decoded, batch)
        with metrics.STEP_SECONDS.labels("enrich").time():
            enriched = enrich(decoded, batch, self.resolvers, self.now_ms())
        return Prepared(enriched.rows, [*decoded.rejected, *enriched.rejected])

    def _check_keys(self, decoded: Decoded, batch: Batch) -> Decoded:
        rows = mismatches(decoded, batch)
        count = pc.sum(rows).as_py() or 0
        if not count:
            return decoded
        metrics.KEY_MISMATCHES.inc(count)
        return reject(decoded, rows) if self.reject_key_mismatches else decoded

    async def store(self, delivery: Delivery, is_current: Callable[[], bool]) -> None:
        """Store a batch. On return each record is acknowledged, by ClickHouse or as a dead letter.

        Transient errors are retried while ``is_current`` returns true, that is, while the batch
        is still assigned to us. Two batches are in progress at a time, so no step may depend on
        the other batch.

        Raises:
            StaleBatchError: the batch's partition was revoked.
            StopError: too large a share of the topic cannot be stored.
            DefectError: a step failed in a way that a retry cannot fix.
        """
        work = await self._convert(delivery.take(), is_current)
        if work.rows.num_rows:
            await self._until_done("write", is_current, lambda: self._write(work.rows))
            await self._until_done("people", is_current, lambda: self._write_people(work.rows))
            metrics.FRESHNESS.observe(max(0, self.now_ms() - work.oldest_ms) / 1000)
        work.end_trace(time.time_ns())
        metrics.EVENTS.inc(work.rows.num_rows)
        metrics.BATCH_RECORDS.observe(work.records)

    async def _convert(self, batch: Batch, is_current: Callable[[], bool]) -> _Work:
        """Convert records to rows, and send the dead letters.

        Nothing refers to the records afterwards. Otherwise they would stay in memory beside the
        rows that wait for ClickHouse (docs/benchmarks.md, "Where memory goes").
        """
        began = time.time_ns()
        prepared = await self._until_done("decode", is_current, lambda: self.prepare(batch))
        self.breaker.check(len(batch.records), prepared.rejected)
        if prepared.rejected:
            await self._until_done(
                "dead_letter", is_current, lambda: self._dead_letter(batch, prepared.rejected)
            )
        return _Work(
            prepared.rows,
            len(batch.records),
            min(record.timestamp for record in batch.records),
            self.trace(batch, prepared.rejected, began),
        )

    def _write(self, rows: pa.Table) -> None:
        with metrics.STEP_SECONDS.labels("write").time():
            self.writer.insert("events_store", rows)

    def _write_people(self, rows: pa.Table) -> None:
        with metrics.STEP_SECONDS.labels("people").time():
            new = self.person_cache.new(people(rows))
            if new.num_rows:
                self.writer.insert("people", new)
                self.person_cache.remember(new)

    def _dead_letter(self, batch: Batch, rejected: Sequence[Rejected]) -> None:
        with metrics.STEP_SECONDS.labels("dead_letter").time():
            now_ms = self.now_ms()
            self.dead_letters.send(batch, rejected, now_ms)
            self.writer.insert("dead_letters", dead_letter_rows(batch, rejected, now_ms))
        for item in rejected:
            metrics.DEAD_LETTERS.labels(item.reason).inc()

    async def _until_done(
        self, step: str, is_current: Callable[[], bool], work: Callable[[], T]
    ) -> T:
        async for attempt in stamina.retry_context(
            on=TRANSIENT_ERRORS,
            attempts=None,
            timeout=None,
            wait_initial=0.2,
            wait_max=10,
        ):
            if not is_current():
                raise StaleBatchError
            with attempt:
                try:
                    with self.health.running(step):
                        result = await asyncio.get_running_loop().run_in_executor(
                            self.executor, work
                        )
                except Exception as error:
                    metrics.FAILURES.labels(type(error).__name__).inc()
                    log.warning("step_failed", step=step, error=describe(error))
                    self.health.failed(step, describe(error))
                    # The error and its frames form a cycle that also holds the request body.
                    # The collector runs rarely (process.py), so they would pile up in an outage.
                    gc.collect()
                    if isinstance(error, TRANSIENT_ERRORS):
                        raise
                    raise DefectError(describe(error)) from None
                self.health.succeeded(step)
                return result
        raise AssertionError("unreachable: the number of retries is unlimited")


def _no_rows() -> pa.Table:
    return pa.table({})


def wall_clock_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
