"""The shards of ClickHouse: an organization's rows are on one of them, progress is on all.

A single server is one shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from orgtrail_consumers import metrics
from orgtrail_consumers.errors import describe
from orgtrail_consumers.storage.insertion import Accepted, Insertion, Refused
from orgtrail_consumers.storage.writer import Inserter
from orgtrail_schemas.shards import shard_of

log = structlog.get_logger("orgtrail.consumer")


class Storage:
    """All shards, each with what it accepted: a refusal by one proves nothing about another."""

    def __init__(self, writers: Sequence[Inserter]) -> None:
        """``writers`` are in the shards' order."""
        self._shards = [(writer, Accepted()) for writer in writers]
        # Prometheus sees no increase in a counter that appears with its first failure.
        for shard in range(len(writers)):
            metrics.SHARD_FAILURES.labels(shard + 1)

    def insertion(self, table: str, rows: pa.Table) -> ShardedInsertion:
        """The insertion of rows that have an ``org_id``, each into its organization's shard."""
        if len(self._shards) == 1:
            return ShardedInsertion([Part(0, None, Insertion(*self._shards[0], table, rows))])
        return ShardedInsertion(
            [
                Part(shard, positions, Insertion(*self._shards[shard], table, rows.take(positions)))
                for shard, positions in _split(rows, len(self._shards))
            ]
        )


class Part(NamedTuple):
    """The insertion into one shard, and the positions of its rows in the whole; ``None``: all."""

    shard: int
    positions: pa.Array | None
    insertion: Insertion


class ShardedInsertion:
    """Insertions that are done together. A shard that has its rows is not asked again."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._waiting = list(parts)
        self._refused: list[Refused] = []

    def attempt(self) -> Sequence[Refused]:
        """Insert what is not inserted yet; return the rows that are refused for their content.

        Raises:
            Exception: a shard did not acknowledge its rows, as ``Insertion.attempt`` raises it.
                The others have theirs.
        """
        waiting, self._waiting = self._waiting, []
        first: Exception | None = None
        for part in waiting:
            try:
                refused = part.insertion.attempt()
            except Exception as error:
                first = first or error
                self._waiting.append(part)
                _report(part.shard, error, several=part.positions is not None)
                continue
            if part.positions is not None:
                refused = [r._replace(row=part.positions[r.row].as_py()) for r in refused]
            self._refused += refused
        if first is not None:
            raise first
        return sorted(self._refused)


class EveryShard:
    """Inserts the same rows into every shard (an ``Inserter``)."""

    def __init__(self, writers: Sequence[Inserter]) -> None:
        self._writers = writers

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert the rows. A shard that fails does not keep them from the others.

        Raises:
            WriteError: a shard did not acknowledge them.
        """
        first: Exception | None = None
        for shard, writer in enumerate(self._writers):
            try:
                writer.insert(table, rows)
            except Exception as error:
                first = first or error
                _report(shard, error, several=len(self._writers) > 1)
        if first is not None:
            raise first


def _report(shard: int, error: Exception, *, several: bool) -> None:
    """Count the failure. With several shards, log which: the pipeline logs only the step."""
    metrics.SHARD_FAILURES.labels(shard + 1).inc()
    if several:
        log.warning("shard_failed", shard=shard + 1, error=describe(error))


def _split(rows: pa.Table, shards: int) -> Iterator[tuple[int, pa.Array]]:
    """The shards that get rows, each with the positions of its rows."""
    orgs = rows["org_id"]
    names = pc.unique(orgs)
    of_name = pa.array([shard_of(name, shards) for name in names.to_pylist()], pa.int64())
    of_row = of_name.take(pc.index_in(orgs, value_set=names))
    for shard in range(shards):
        positions = pc.indices_nonzero(pc.equal(of_row, shard))
        if len(positions):
            yield shard, positions
