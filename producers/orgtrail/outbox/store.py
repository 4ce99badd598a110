"""The relay's access to the outbox: leases organizations, reads their rows and settles them.

A whole organization is leased to one relay at a time, so its rows are sent in order. A lease
expires, so a dead relay blocks its organizations only for the duration of the lease. A slow relay
whose lease has expired may send the same rows as its successor. Both start at the first remaining
row and continue in order. Therefore the first occurrence of each record is still in order, and
readers, which deduplicate, see it once.

Rows are selected by state and not by a high watermark. Therefore a transaction that commits late,
with positions lower than those of deleted rows, is not skipped.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from orgtrail.envelope import Envelope
from orgtrail.outbox.connect import Connection, Database
from orgtrail.outbox.table import create_statements, statements

_ORGANIZATIONS = 100
_BYTES = 16_000_000
_CLEAN_ROWS = 1_000


class DatabaseUnavailableError(Exception):
    """A statement failed; ``__cause__`` is the driver's error. The next statement reconnects."""


class Row(NamedTuple):
    """One row of the outbox; ``envelope`` is ``None`` if the row was not written by the SDK."""

    position: int
    event_id: str
    envelope: Envelope | None


class Store:
    """Reads and settles rows of one topic. Connects on demand and reconnects after an error."""

    def __init__(
        self, database: Database, table: str, topic: str, *, lease_s: float, keep_s: float
    ) -> None:
        """``keep_s`` is how long to keep delivered rows, in seconds; 0 deletes them immediately."""
        self._database = database
        self._table = table
        self._topic = topic
        self._lease_s = lease_s
        self._keep_s = keep_s
        self._sql = {
            name: database.style(sql) for name, sql in statements(database.dialect, table).items()
        }
        self._holder = secrets.token_hex(8)
        self._connection: Connection | None = None
        self._after = ""

    def create(self) -> None:
        """Create missing tables.

        Raises:
            DatabaseUnavailableError: the database is unreachable or rejects the statement.
        """
        for sql in create_statements(self._database.dialect, self._table):
            self._execute(sql)

    def take(self, limit: int) -> list[Row]:
        """Lease organizations with waiting rows, and read their first rows in order.

        Organizations take turns, and each gets a share of ``limit``, so that one with a million
        rows does not delay the others.

        Raises:
            DatabaseUnavailableError: the database is unreachable or rejects the statement.
        """
        names = self._waiting(limit)
        if not names:
            return []
        self._after = names[-1]
        leased = self._lease(names)
        if not leased:
            return []
        # A separate statement after the lease, so that its snapshot includes everything that the
        # previous holder has settled.
        rows = self._run(
            "rows",
            names=json.dumps(leased),
            topic=self._topic,
            share=max(1, limit // len(leased)),
            bytes=_BYTES,
        )
        if not rows:
            self._run("release", holder=self._holder)
        return [_row(values) for values in rows]

    def extend(self) -> None:
        """Extend the leases by their full duration, starting now.

        Raises:
            DatabaseUnavailableError: the database is unreachable or rejects the statement.
        """
        self._run("extend", holder=self._holder, seconds=self._lease_s)

    def settle(self, acknowledged: Sequence[int], refused: Mapping[int, str]) -> None:
        """Delete or mark acknowledged rows, mark refused ones, and release all leases.

        Acknowledged rows may be deleted even after the lease has expired, because Kafka has stored
        them.

        Raises:
            DatabaseUnavailableError: the database is unreachable or rejects a statement; the
                transaction is rolled back.
        """
        self._run("begin")
        if acknowledged:
            what = "mark" if self._keep_s else "delete"
            self._run(what, positions=json.dumps(list(acknowledged)))
        for position, reason in refused.items():
            self._run("refuse", position=position, reason=reason)
        self._run("release", holder=self._holder)
        self._execute("COMMIT")

    def clean(self) -> int:
        """Delete a batch of expired delivered rows, and old leases; return the number of rows.

        Raises:
            DatabaseUnavailableError: the database is unreachable or rejects the statement.
        """
        self._run("clean_leases")
        seconds, rows = self._keep_s, _CLEAN_ROWS
        return int(self._execute(self._sql["clean"], seconds=seconds, rows=rows).rowcount)

    def other_topic(self) -> str | None:
        """Return a topic that has waiting rows but is not served by this relay, or ``None``.

        Raises:
            DatabaseUnavailableError: the database is unreachable or rejects the statement.
        """
        topics = self._run("other_topic", topic=self._topic)
        return str(topics[0][0]) if topics else None

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._database.error):
                connection.close()

    def _waiting(self, limit: int) -> list[str]:
        orgs = min(limit, _ORGANIZATIONS)
        waiting = self._run("waiting", topic=self._topic, after=self._after, orgs=orgs)
        if not waiting and self._after:
            waiting = self._run("waiting", topic=self._topic, after="", orgs=orgs)
        return [name for (name,) in waiting]

    def _lease(self, names: Sequence[str]) -> list[str]:
        text = json.dumps(names)
        self._run("begin")
        self._run("add_leases", names=text)
        leased = self._run("lease", names=text, holder=self._holder, seconds=self._lease_s)
        self._execute("COMMIT")
        return [name for (name,) in leased]

    def _run(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self._execute(self._sql[name], **parameters)
        # The statement returns no rows.
        if cursor.description is None:
            return []
        try:
            return list(cursor.fetchall())
        except self._database.error as error:
            self.close()
            raise DatabaseUnavailableError from error

    def _execute(self, sql: str, **parameters: Any) -> Any:
        try:
            if self._connection is None:
                self._connection = self._database.connect()
            return self._connection.execute(sql, parameters)
        except self._database.error as error:
            self.close()
            raise DatabaseUnavailableError from error


def _row(values: tuple[Any, ...]) -> Row:
    position, event_id, key, event, payload, source, time, traceparent = values
    try:
        at = round(datetime.fromisoformat(time).timestamp() * 1000)
        envelope = Envelope(
            0, 0, key, bytes(payload), event_id, event, source, at, traceparent or ""
        )
    except (TypeError, ValueError, OverflowError):
        envelope = None
    return Row(position, event_id, envelope)
