"""The consumer's errors, and descriptions of errors that contain no event data."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import NamedTuple


class StopError(Exception):
    """The worker must stop. The message gives the reason and the fix, and no event data."""


class StaleBatchError(Exception):
    """The batch's partition was revoked. Its next owner stores the records."""


class DefectError(Exception):
    """A step failed for a reason that no retry fixes: a bug. The message has no event data."""


class DeadLetterError(Exception):
    """The dead-letter topic did not acknowledge; a retry may help."""


class RefetchError(Exception):
    """Kafka did not return a record again; a retry may help."""


class RegistryUnavailableError(Exception):
    """The schema registry is unreachable; a retry may help."""


# "Code: 497. DB::Exception: … (ACCESS_DENIED) (version …)". The message may quote the event's data,
# so the name is the last one.
_CLICKHOUSE = re.compile(r"Code: (\d+)\..*\(([A-Z][A-Z0-9_]*)\)", re.DOTALL)


class ClickHouseErrorCode(NamedTuple):
    """A row of ClickHouse's ``system.errors``."""

    code: int
    name: str

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


def clickhouse_error(error: BaseException) -> ClickHouseErrorCode | None:
    """The code with which ClickHouse answered; ``None`` if it did not answer."""
    match = _CLICKHOUSE.search(str(error))
    return ClickHouseErrorCode(int(match[1]), match[2]) if match else None


def describe(error: BaseException) -> str:
    """The error's class, ClickHouse's code if it has one, and where it was raised.

    For a ``StopError``, its message. Other messages are left out: they may contain event data.
    """
    if isinstance(error, StopError):
        return str(error)
    found = clickhouse_error(error)
    code = f" {found}" if found else ""
    frames = traceback.extract_tb(error.__traceback__)
    location = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{code}{location}"
