"""What happens to one batch, from its records to acknowledged rows and dead letters."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, TypeVar

import pyarrow as pa
import stamina
import structlog

from orgtrail_consumers import metrics
from orgtrail_consumers.batch import Batch, Rejected
from orgtrail_consumers.breaker import Breaker
from orgtrail_consumers.clickhouse import WriteError, Writer
from orgtrail_consumers.dead_letter import DeadLetterError, DeadLetters, dead_letter_rows
from orgtrail_consumers.decode import FindSchema, decode
from orgtrail_consumers.enrich import Resolvers, enrich
from orgtrail_consumers.failure import describe
from orgtrail_consumers.health import Health
from orgtrail_consumers.people import Seen, people
from orgtrail_consumers.registry import RegistryAwayError
from orgtrail_consumers.traces import TraceBatch

T = TypeVar("T")

log = structlog.get_logger("orgtrail.consumer")

_MAY_PASS = (*WriteError, DeadLetterError, RegistryAwayError)


class DefectError(Exception):
    """A step failed for a reason that no retry mends: a defect of ours, named without its data."""


class StaleBatchError(Exception):
    """The batch's partition was taken away: its next owner stores it."""


class Prepared(NamedTuple):
    """A batch as rows to insert and records to set aside."""

    rows: pa.Table
    rejected: Sequence[Rejected]


@dataclass(frozen=True)
class Pipeline:
    """The steps with their clients, put together once at the start."""

    find_schema: FindSchema
    resolvers: Resolvers
    writer: Writer
    dead_letters: DeadLetters
    seen: Seen
    executor: Executor
    health: Health
    breaker: Breaker
    trace: TraceBatch
    now_ms: Callable[[], int]

    def prepare(self, batch: Batch) -> Prepared:
        """Decode and enrich."""
        with metrics.STEP_SECONDS.labels("decode").time():
            decoded = decode([record.value for record in batch.records], self.find_schema)
        with metrics.STEP_SECONDS.labels("enrich").time():
            enriched = enrich(decoded, batch, self.resolvers, self.now_ms())
        return Prepared(enriched.rows, [*decoded.rejected, *enriched.rejected])

    async def store(self, batch: Batch, current: Callable[[], bool]) -> None:
        """Store a batch; on return every record of it is acknowledged somewhere.

        What may pass is retried for as long as ``current`` says that the batch is still ours.

        Raises:
            StaleBatchError: it is not.
            StopError: too much of the topic is garbage.
            DefectError: a step failed in a way that a retry cannot mend.
        """
        began = time.time_ns()
        prepared = await self._until_done("decode", current, lambda: self.prepare(batch))
        self.breaker.note(len(batch.records), prepared.rejected)
        if prepared.rejected:
            await self._until_done(
                "dead_letter", current, lambda: self._set_aside(batch, prepared.rejected)
            )
        count = len(batch.records)
        oldest = min(map(attrgetter("timestamp"), batch.records))
        end_trace = self.trace(batch, prepared.rejected, began)
        batch.let_go()
        if prepared.rows.num_rows:
            await self._until_done("write", current, lambda: self._write(prepared.rows))
            await self._until_done("people", current, lambda: self._write_people(prepared.rows))
            metrics.FRESHNESS.observe(max(0, self.now_ms() - oldest) / 1000)
        end_trace(time.time_ns())
        metrics.EVENTS.inc(prepared.rows.num_rows)
        metrics.BATCH_RECORDS.observe(count)

    def _write(self, rows: pa.Table) -> None:
        with metrics.STEP_SECONDS.labels("write").time():
            self.writer.insert("events_store", rows)

    def _write_people(self, rows: pa.Table) -> None:
        with metrics.STEP_SECONDS.labels("people").time():
            new = self.seen.new(people(rows))
            if new.num_rows:
                self.writer.insert("people", new)
                self.seen.remember(new)

    def _set_aside(self, batch: Batch, rejected: Sequence[Rejected]) -> None:
        with metrics.STEP_SECONDS.labels("dead_letter").time():
            now_ms = self.now_ms()
            self.dead_letters.send(batch, rejected, now_ms)
            self.writer.insert("dead_letters", dead_letter_rows(batch, rejected, now_ms))
        for item in rejected:
            metrics.DEAD_LETTERS.labels(item.reason).inc()

    async def _until_done(self, step: str, current: Callable[[], bool], work: Callable[[], T]) -> T:
        async for attempt in stamina.retry_context(
            on=_MAY_PASS,
            attempts=None,
            timeout=None,
            wait_initial=0.2,
            wait_max=10,
        ):
            if not current():
                raise StaleBatchError
            with attempt:
                try:
                    done = await asyncio.get_running_loop().run_in_executor(self.executor, work)
                except Exception as error:
                    metrics.FAILURES.labels(type(error).__name__).inc()
                    log.warning("step_failed", step=step, error=describe(error))
                    self.health.failed(step, describe(error))
                    # The error and its frames hold each other, and with them the request's body;
                    # left to the collector's rare turns (memory.py), an outage would pile them up.
                    gc.collect()
                    if isinstance(error, _MAY_PASS):
                        raise
                    raise DefectError(describe(error)) from None
                self.health.succeeded(step)
                return done
        raise AssertionError("unreachable: retries never end by themselves")


def wall_clock_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
