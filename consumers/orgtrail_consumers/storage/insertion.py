"""Inserts a batch, and tells rows that ClickHouse refuses for their content from an outage.

ClickHouse inserts a batch as a whole or not at all, so one row that it refuses would hold up all
others of its partition. Error codes do not say which kind an error is: constraints, views and
functions raise nearly any. Therefore the batch is bisected, and a row counts as refused for its
content only on evidence: it was refused again after an insert into the same table that began
later had succeeded. If nothing is accepted, the server or the table is at fault, and the consumer
waits.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from orgtrail_consumers.errors import clickhouse_error, describe
from orgtrail_consumers.storage.writer import Inserter, WriteError

# Names in ClickHouse's table system.errors. These are about the server, never about a row.
_OUTAGES = frozenset(
    {
        "ABORTED", "ACCESS_DENIED", "ALL_CONNECTION_TRIES_FAILED", "AUTHENTICATION_FAILED",
        "CANNOT_SCHEDULE_TASK", "KEEPER_EXCEPTION", "LIMIT_EXCEEDED", "MEMORY_LIMIT_EXCEEDED",
        "NETWORK_ERROR", "NOT_ENOUGH_SPACE", "NO_ZOOKEEPER", "QUERY_WAS_CANCELLED",
        "QUOTA_EXCEEDED", "READONLY", "SOCKET_TIMEOUT", "TABLE_IS_READ_ONLY", "TIMEOUT_EXCEEDED",
        "TOO_FEW_LIVE_REPLICAS", "TOO_MANY_PARTS", "TOO_MANY_SIMULTANEOUS_QUERIES",
        "UNKNOWN_DATABASE", "UNKNOWN_STATUS_OF_INSERT", "UNKNOWN_TABLE",
        "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    }
)  # fmt: skip

_TRIES_WITHOUT_EVIDENCE = 32
"""Inserts of one attempt that may be refused before anything is accepted."""


class Refused(NamedTuple):
    """One row that ClickHouse refuses: its position, and the error without event data."""

    row: int
    detail: str


class Accepted:
    """When each table last accepted an insert, over all threads, as numbers that only grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moment = 0
        self._began: dict[str, int] = {}

    def now(self) -> int:
        """The present moment; it is later than all before."""
        with self._lock:
            self._moment += 1
            return self._moment

    def add(self, table: str, began: int) -> None:
        """Record that an insert which began at that moment was accepted."""
        with self._lock:
            self._began[table] = max(began, self._began.get(table, 0))

    def since(self, table: str, moment: int) -> bool:
        """Whether an insert that began after the moment was accepted."""
        return self._began.get(table, 0) > moment


class Insertion:
    """One batch on its way into a table, over as many attempts as it takes."""

    def __init__(self, writer: Inserter, accepted: Accepted, table: str, rows: pa.Table) -> None:
        """``accepted`` is shared by all insertions of the process."""
        self._writer = writer
        self._accepted = accepted
        self._table = table
        self._rows = rows
        self._first_refused: int | None = None

    def attempt(self) -> Sequence[Refused]:
        """Insert the rows; return those that are refused for their content, in order.

        Raises:
            Exception: a part of the rows is neither acknowledged nor known to be refused. Inserting
                them again is safe, because the tables keep one row per key.
        """
        refused: list[Refused] = []
        parts = deque([(0, self._rows.num_rows)])
        unproven: deque[tuple[int, int]] = deque()
        failures = 0
        while parts:
            start, stop = parts.popleft()
            error = self._insert(start, stop)
            if error is not None:
                failures += 1
                proven = self._accepted.since(self._table, self._first_refused or 0)
                if stop - start > 1:
                    middle = (start + stop) // 2
                    parts += [(start, middle), (middle, stop)]
                elif proven:
                    refused.append(Refused(start, describe(error)))
                else:
                    unproven.append((start, stop))
                if not proven and (failures >= _TRIES_WITHOUT_EVIDENCE or not parts):
                    raise error
            if self._accepted.since(self._table, self._first_refused or 0):
                parts += unproven
                unproven.clear()
        return sorted(refused)

    def _insert(self, start: int, stop: int) -> Exception | None:
        """Insert a part; return the error with which it was refused."""
        began = self._accepted.now()
        try:
            self._writer.insert(self._table, self._rows.slice(start, stop - start))
        except Exception as error:
            if _is_outage(error):
                raise
            if self._first_refused is None:
                self._first_refused = self._accepted.now()
            return error
        self._accepted.add(self._table, began)
        return None


def _is_outage(error: Exception) -> bool:
    found = clickhouse_error(error)
    if found is None:
        return isinstance(error, WriteError)
    return found.name in _OUTAGES
