"""Finds a record that ends the process, such as one on which a C library crashes.

While records are processed, a small file in the data folder names their offsets. A file that a dead
process left says that the process ended there. After two such ends the records are processed one by
one, so that the third names a single record.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import structlog

from orgtrail_consumers.kafka.batch import Batch
from orgtrail_schemas.reading import read_json

ONE_BY_ONE_AFTER = 2
"""After so many ends at the same records they are processed one by one."""

_SAY_AFTER = 3

log = structlog.get_logger("orgtrail.consumer")


class _Mark(msgspec.Struct):
    partition: int
    first: int
    last: int
    ends: int

    def overlaps(self, batch: Batch) -> bool:
        return batch.partition == self.partition and any(
            self.first <= offset <= self.last for offset in batch.records.offsets.to_pylist()
        )


class Crashes:
    """The records at which earlier processes ended, and those that are processed now."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is created if need be. If it cannot be used, nothing is remembered."""
        self._folder = folder
        self._lock = threading.Lock()
        self._left: dict[Path, _Mark] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._left = dict(_left_marks(folder))
        except OSError as error:
            log.warning("data_folder_unusable", folder=str(folder), error=error.strerror)

    def ends_at(self, batch: Batch) -> int:
        """How many processes ended while they processed records of this batch.

        If they ended three times at one record, a log line says how to skip it.
        """
        with self._lock:
            marks = [mark for mark in self._left.values() if mark.overlaps(batch)]
        for mark in marks:
            if mark.first == mark.last and mark.ends >= _SAY_AFTER:
                place = f"{mark.partition}/{mark.first}"
                log.error(
                    "record_ends_the_worker",
                    partition=mark.partition,
                    offset=mark.first,
                    times=mark.ends,
                    next_step=f"to dead-letter it unread, set ORGTRAIL_SKIP_OFFSETS={place}",
                )
        return max((mark.ends for mark in marks), default=0)

    @contextmanager
    def processing(self, batch: Batch, ends: int) -> Iterator[None]:
        """Name the batch's records in a file, until they are processed or an error is raised.

        ``ends`` is the answer of ``ends_at``.
        """
        mark = _Mark(batch.partition, batch.records[0].offset, batch.records[-1].offset, ends + 1)
        # Not the process ID: in a container it is the same after each restart.
        path = self._folder / f"{os.urandom(8).hex()}.json"
        descriptor = _write(path, mark)
        try:
            yield
        finally:
            if descriptor is not None:
                with suppress(OSError):
                    path.unlink()
                os.close(descriptor)
        self.forget(batch)

    def forget(self, batch: Batch) -> None:
        """The batch was processed or skipped, so what ended earlier processes is not ahead."""
        with self._lock:
            for path, mark in list(self._left.items()):
                if mark.overlaps(batch):
                    mark.first = batch.records[-1].offset + 1
                    if mark.first > mark.last:
                        del self._left[path]
                        with suppress(OSError):
                            path.unlink()


def _write(path: Path, mark: _Mark) -> int | None:
    """Write the file, and lock it for as long as this process lives."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError:
        return None
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, msgspec.json.encode(mark))
    return descriptor


def _left_marks(folder: Path) -> Iterator[tuple[Path, _Mark]]:
    for path in folder.glob("*.json"):
        with suppress(OSError, msgspec.MsgspecError), path.open("rb") as file:
            # Fails if a living process of the same machine holds it.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield path, read_json(file.read(), _Mark)
