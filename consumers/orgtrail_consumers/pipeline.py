"""The pipeline: from the records of one batch to acknowledged rows and dead letters."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import stamina
import structlog

from orgtrail_consumers import metrics
from orgtrail_consumers.crashes import ONE_BY_ONE_AFTER, Crashes
from orgtrail_consumers.dead_letters.breaker import Breaker
from orgtrail_consumers.dead_letters.producer import DeadLetterSink
from orgtrail_consumers.dead_letters.rows import dead_letter_rows
from orgtrail_consumers.errors import (
    DeadLetterError,
    DefectError,
    RefetchError,
    RegistryUnavailableError,
    StaleBatchError,
    describe,
)
from orgtrail_consumers.health import Health
from orgtrail_consumers.kafka.batch import Batch, Delivery, Rejected
from orgtrail_consumers.kafka.records import Record, Records
from orgtrail_consumers.kafka.refetch import Refetch
from orgtrail_consumers.steps.decode import Decoded, FindSchema, decode
from orgtrail_consumers.steps.enrich import Resolvers, enrich
from orgtrail_consumers.steps.keys import mismatches, reject
from orgtrail_consumers.steps.normalize import normalize
from orgtrail_consumers.steps.people import PersonCache, people
from orgtrail_consumers.storage.insertion import Refused
from orgtrail_consumers.storage.shards import Storage
from orgtrail_consumers.storage.writer import WriteError
from orgtrail_consumers.traces import EndTrace, TraceBatch
from orgtrail_schemas.catalogue import catalogue

T = TypeVar("T")

_PREPARED_AT_ONCE = 16_384
"""Records of a batch that are converted together. What a step holds besides its result, three
times the records, is in memory for these only."""

log = structlog.get_logger("orgtrail.consumer")

TRANSIENT_ERRORS = (*WriteError, DeadLetterError, RefetchError, RegistryUnavailableError)
"""Errors that a retry may resolve. Any other error is a bug."""


class Prepared(NamedTuple):
    """A batch as rows to insert and records to dead-letter."""

    rows: pa.Table
    rejected: Sequence[Rejected]


class _Work(NamedTuple):
    topic: str
    partition: int
    rows: pa.Table
    records: int
    oldest_ms: int
    end_trace: EndTrace


@dataclass(frozen=True)
class Pipeline:
    """The steps and their clients, assembled once at startup."""

    find_schema: FindSchema
    resolvers: Resolvers
    storage: Storage
    dead_letters: DeadLetterSink
    refetch: Refetch
    person_cache: PersonCache
    crashes: Crashes
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
        rejected. One that ends the process is found over several processes (``crashes.py``).
        """
        skipped = self._skipped_in(batch)
        if not skipped:
            return self._prepare_carefully(batch)
        positions = {item.position for item in skipped}
        self.crashes.forget(batch._replace(records=batch.records.take(sorted(positions))))
        kept = [position for position in range(len(batch.records)) if position not in positions]
        if not kept:
            return Prepared(_no_rows(), skipped)
        rest = batch._replace(records=batch.records.take(kept))
        prepared = self._prepare_carefully(rest)
        moved = [item._replace(position=kept[item.position]) for item in prepared.rejected]
        return Prepared(prepared.rows, [*skipped, *moved])

    def _skipped_in(self, batch: Batch) -> list[Rejected]:
        if not self.skipped:
            return []
        return [
            Rejected(position, "skipped", "by ORGTRAIL_SKIP_OFFSETS")
            for position, offset in enumerate(batch.records.offsets.to_pylist())
            if (batch.partition, offset) in self.skipped
        ]

    def _prepare_carefully(self, batch: Batch) -> Prepared:
        return _joined(
            [
                (start, self._prepare_slice(batch._replace(records=records)))
                for start, records in _slices(batch.records, _PREPARED_AT_ONCE)
            ]
        )

    def _prepare_slice(self, batch: Batch) -> Prepared:
        ends = self.crashes.ends_at(batch)
        size = 1 if ends >= ONE_BY_ONE_AFTER else len(batch.records)
        parts = []
        for start, records in _slices(batch.records, size):
            part = batch._replace(records=records)
            with self.crashes.processing(part, ends):
                parts.append((start, self._prepare_or_bisect(part)))
        return _joined(parts)

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
        return _joined(
            [
                (start, self._prepare_or_bisect(batch._replace(records=records)))
                for start, records in (
                    (0, batch.records[:middle]),
                    (middle, batch.records[middle:]),
                )
            ]
        )

    def _prepare(self, batch: Batch) -> Prepared:
        with metrics.STEP_SECONDS.labels("decode").time():
            decoded = decode(batch.records.values, self.find_schema)
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
            work = await self._write(work, is_current)
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
            batch.topic,
            batch.partition,
            prepared.rows,
            len(batch.records),
            pc.min(batch.records.timestamps).as_py(),
            self.trace(batch, prepared.rejected, began),
        )

    async def _write(self, work: _Work, is_current: Callable[[], bool]) -> _Work:
        """Insert the rows, and dead-letter the records of those that ClickHouse refuses."""
        insertion = self.storage.insertion("events_store", work.rows)

        def insert() -> Sequence[Refused]:
            with metrics.STEP_SECONDS.labels("write").time():
                return insertion.attempt()

        refused = await self._until_done("write", is_current, insert)
        if not refused:
            return work
        rejected = [
            Rejected(position, "storage_rejected", item.detail)
            for position, item in enumerate(refused)
        ]
        self.breaker.check(0, rejected)
        rows = work.rows.take([item.row for item in refused])
        batch = await self._until_done("refetch", is_current, lambda: self._records_of(work, rows))
        await self._until_done(
            "dead_letter", is_current, lambda: self._dead_letter(batch, rejected)
        )
        accepted = sorted(set(range(work.rows.num_rows)) - {item.row for item in refused})
        return work._replace(rows=work.rows.take(pa.array(accepted, pa.int64())))

    def _records_of(self, work: _Work, rows: pa.Table) -> Batch:
        """The records of rows, fetched again."""
        offsets = rows["kafka_offset"].to_pylist()
        found = self.refetch(work.topic, work.partition, offsets)
        records = []
        for org, received, offset in zip(
            rows["org_id"].to_pylist(),
            rows["received_at"].cast(pa.int64()).to_pylist(),
            offsets,
            strict=True,
        ):
            record = found.get(offset)
            if record is None:
                metrics.LOST.labels(str(work.partition)).inc()
                log.error("rejected_record_is_gone", partition=work.partition, offset=offset)
                record = Record(org.encode(), None, [], offset, received)
            records.append(record)
        return Batch(work.topic, work.partition, Records.of(records))

    def _write_people(self, rows: pa.Table) -> None:
        with metrics.STEP_SECONDS.labels("people").time():
            # In slices: what it holds besides its result is as large as the rows.
            new = pa.concat_tables(
                self.person_cache.new(people(rows.slice(start, _PREPARED_AT_ONCE)))
                for start in range(0, max(1, rows.num_rows), _PREPARED_AT_ONCE)
            )
            if new.num_rows:
                self._insert_what_it_accepts("people", new)
                self.person_cache.remember(new)

    def _insert_what_it_accepts(self, table: str, rows: pa.Table) -> None:
        """Insert rows that no record depends on; a refused one is logged and left out."""
        for item in self.storage.insertion(table, rows).attempt():
            metrics.REFUSED_ROWS.inc()
            log.error("row_refused", table=table, error=item.detail)

    def _dead_letter(self, batch: Batch, rejected: Sequence[Rejected]) -> None:
        with metrics.STEP_SECONDS.labels("dead_letter").time():
            now_ms = self.now_ms()
            self.dead_letters.send(batch, rejected, now_ms)
            self._insert_what_it_accepts("dead_letters", dead_letter_rows(batch, rejected, now_ms))
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


def _slices(records: Records, size: int) -> Iterator[tuple[int, Records]]:
    """Slices of at most ``size`` records, each with the position of its first."""
    for start in range(0, len(records), size):
        yield start, records[start : start + size]


def _no_rows() -> pa.Table:
    return pa.table({})


def _joined(parts: Sequence[tuple[int, Prepared]]) -> Prepared:
    """One batch from its parts, each with the position of its first record."""
    if len(parts) == 1:
        return parts[0][1]
    rows = [part.rows for _, part in parts if part.rows.num_rows]
    rejected = [
        item._replace(position=item.position + start)
        for start, part in parts
        for item in part.rejected
    ]
    return Prepared(pa.concat_tables(rows) if rows else _no_rows(), rejected)


def wall_clock_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
