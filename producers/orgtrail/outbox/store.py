"""The relay's view of the outbox: rows under a lease, and what became of them.

An organization is leased as a whole and by one relay at a time, so its rows are sent in order. A
lease ends by itself: a relay that dies holds its organizations up for that long and no longer. A
relay that only seemed dead may send the same rows as its successor. Both begin at the first row
that is left and go on in order, so each record still appears in order for the first time, and a
reader sees it once.

Rows are found by their state and not by a position that was reached. A transaction that commits
late, with lower positions than rows that are long gone, is therefore not skipped.
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
    """A statement failed; its cause is the driver's error. The next one connects anew."""


class Row(NamedTuple):
    """One row of the outbox; ``envelope`` is ``None`` when it cannot have come from the SDK."""

    position: int
    event_id: str
    envelope: Envelope | None


class Store:
    """Reads and settles rows of one topic. Connects when needed, and again after an error."""

    def __init__(
        self, database: Database, table: str, topic: str, *, lease_s: float, keep_s: float
    ) -> None:
        """``keep_s`` is how long delivered rows are kept; 0 deletes them at once."""
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
        """Make the tables where they are missing.

        Raises:
            DatabaseUnavailableError: the database does not answer or refuses.
        """
        for sql in create_statements(self._database.dialect, self._table):
            self._execute(sql)

    def take(self, limit: int) -> list[Row]:
        """Lease organizations with waiting rows, and read their first rows in order.

        The organizations are taken in turn, and each gets a share of ``limit``, so that one with a
        million rows does not hold the others up.

        Raises:
            DatabaseUnavailableError: the database does not answer or refuses.
        """
        names = self._waiting(limit)
        if not names:
            return []
        self._after = names[-1]
        leased = self._lease(names)
        if not leased:
            return []
        # A statement of its own, after the lease: it sees everything that the last holder did.
        found = self._run(
            "rows",
            names=json.dumps(leased),
            topic=self._topic,
            share=max(1, limit // len(leased)),
            bytes=_BYTES,
        )
        if not found:
            self._run("release", holder=self._holder)
        return [_row(values) for values in found]

    def extend(self) -> None:
        """Hold the leases for another full time.

        Raises:
            DatabaseUnavailableError: the database does not answer or refuses.
        """
        self._run("extend", holder=self._holder, seconds=self._lease_s)

    def settle(self, acknowledged: Sequence[int], refused: Mapping[int, str]) -> None:
        """Delete or mark what Kafka has, mark what it refuses, and release every lease.

        Acknowledged rows may go even when the lease has ended: Kafka has them.

        Raises:
            DatabaseUnavailableError: the database does not answer or refuses; nothing was done.
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
        """Delete some delivered rows that are old enough, and old leases; how many rows.

        Raises:
            DatabaseUnavailableError: the database does not answer or refuses.
        """
        self._run("clean_leases")
        seconds, rows = self._keep_s, _CLEAN_ROWS
        return int(self._execute(self._sql["clean"], seconds=seconds, rows=rows).rowcount)

    def other_topic(self) -> str | None:
        """A topic that rows wait for and that this relay does not serve.

        Raises:
            DatabaseUnavailableError: the database does not answer or refuses.
        """
        found = self._run("other_topic", topic=self._topic)
        return str(found[0][0]) if found else None

    def close(self) -> None:
        """End the session; a transaction that was begun is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._database.error):
                connection.close()

    def _waiting(self, limit: int) -> list[str]:
        orgs = min(limit, _ORGANIZATIONS)
        found = self._run("waiting", topic=self._topic, after=self._after, orgs=orgs)
        if not found and self._after:
            found = self._run("waiting", topic=self._topic, after="", orgs=orgs)
        return [name for (name,) in found]

    def _lease(self, names: Sequence[str]) -> list[str]:
        text = json.dumps(names)
        self._run("begin")
        self._run("add_leases", names=text)
        found = self._run("lease", names=text, holder=self._holder, seconds=self._lease_s)
        self._execute("COMMIT")
        return [name for (name,) in found]

    def _run(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self._execute(self._sql[name], **parameters)
        # Only then does it return rows.
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
