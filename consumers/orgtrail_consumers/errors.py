"""The consumer's errors, and descriptions of errors that contain no event data."""

from __future__ import annotations

import re
import traceback
from pathlib import Path


class StopError(Exception):
    """The worker must stop. The message gives the reason and the fix, and no event data."""


class StaleBatchError(Exception):
    """The batch's partition was revoked. Its next owner stores the records."""


class DefectError(Exception):
    """A step failed for a reason that no retry fixes: a bug. The message has no event data."""


class DeadLetterError(Exception):
    """The dead-letter topic did not acknowledge; a retry may help."""


class RegistryUnavailableError(Exception):
    """The schema registry is unreachable; a retry may help."""


# ClickHouse's format: "Code: 497. DB::Exception: … (ACCESS_DENIED)".
_CLICKHOUSE = re.compile(r"Code: (\d+)\..*?\(([A-Z_]+)\)", re.DOTALL)


def describe(error: BaseException) -> str:
    """The error's class, ClickHouse's code if it has one, and where it was raised.

    For a ``StopError``, its message. Other messages are left out: they may contain event data.
    """
    if isinstance(error, StopError):
        return str(error)
    match = _CLICKHOUSE.search(str(error))
    code = f" {match[1]} {match[2]}" if match else ""
    frames = traceback.extract_tb(error.__traceback__)
    location = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{code}{location}"
