"""Events that wait on disk while Kafka is away: bounded, fsynced, in order."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import NamedTuple

import msgspec

from orgtrail.errors import SpoolFullError

Headers = list[tuple[str, bytes]]


class Spooled(NamedTuple):
    """One message as it would have been sent; ``number`` orders them."""

    number: int
    key: bytes
    value: bytes
    headers: Headers


class Spool:
    """A queue in one SQLite file, which several processes may share."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """``max_bytes`` bounds the events' own size.

        Raises:
            SpoolFullError: the folder cannot be made or written to.
        """
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                folder / "spool.sqlite3", timeout=5, isolation_level=None, check_same_thread=False
            )
            # FULL: a committed event is on disk (sqlite.org/pragma.html#pragma_synchronous).
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS spool (number INTEGER PRIMARY KEY AUTOINCREMENT,"
                " key BLOB NOT NULL, value BLOB NOT NULL, headers BLOB NOT NULL,"
                " size INTEGER NOT NULL)"
            )
            self._count, self._bytes = self._database.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM spool"
            ).fetchone()
        except (OSError, sqlite3.Error) as error:
            raise SpoolFullError(f"the spool {folder} cannot be used: {error}") from error

    def __len__(self) -> int:
        """How many events this process knows to be waiting."""
        return int(self._count)

    def put(self, key: bytes, value: bytes, headers: Headers) -> None:
        """Append one message; on return it is on disk.

        Raises:
            SpoolFullError: the bound is reached, or the disk fails.
        """
        packed = msgspec.msgpack.encode(headers)
        size = len(key) + len(value) + len(packed)
        with self._lock:
            if self._bytes + size > self._max_bytes:
                raise SpoolFullError(f"the spool holds its {self._max_bytes} bytes")
            try:
                self._database.execute(
                    "INSERT INTO spool (key, value, headers, size) VALUES (?, ?, ?, ?)",
                    (key, value, packed, size),
                )
            except sqlite3.Error as error:
                raise SpoolFullError(f"the spool cannot be written: {error}") from error
            self._count += 1
            self._bytes += size

    def oldest(self, count: int) -> list[Spooled]:
        """The oldest messages, in order."""
        with self._lock:
            rows = self._database.execute(
                "SELECT number, key, value, headers FROM spool ORDER BY number LIMIT ?", (count,)
            ).fetchall()
        unpack = msgspec.msgpack.Decoder(Headers)
        return [Spooled(number, key, value, unpack.decode(h)) for number, key, value, h in rows]

    def remove_through(self, number: int) -> None:
        """Forget the messages up to this number: Kafka acknowledged them."""
        with self._lock:
            self._database.execute("DELETE FROM spool WHERE number <= ?", (number,))
            self._count, self._bytes = self._database.execute(
                "SELECT count(*), coalesce(sum(size), 0) FROM spool"
            ).fetchone()

    def close(self) -> None:
        """Close the file; what it holds stays."""
        with self._lock:
            self._database.close()
