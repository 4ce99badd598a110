"""The consumer's errors, and how errors are described without repeating data of an event."""

from __future__ import annotations

import re
import traceback
from pathlib import Path


class StopError(Exception):
    """The worker must stop; the text says why and what to do, and holds no data of events."""


class StaleBatchError(Exception):
    """The batch's partition was revoked: its next owner stores the records."""


class DefectError(Exception):
    """A step failed for a reason that no retry fixes: a bug, described without its data."""


class DeadLetterError(Exception):
    """The dead-letter topic did not acknowledge; a retry may help."""


class RegistryUnavailableError(Exception):
    """The schema registry cannot be asked at the moment; a retry may help."""


# ClickHouse's own form: "Code: 497. DB::Exception: … (ACCESS_DENIED)".
_CLICKHOUSE = re.compile(r"Code: (\d+)\..*?\(([A-Z_]+)\)", re.DOTALL)


def describe(error: BaseException) -> str:
    """The error's class, ClickHouse's code if it has one, and where it was raised.

    Of a ``StopError``, its text. Other texts are left out: they may repeat data of an event.
    """
    if isinstance(error, StopError):
        return str(error)
    match = _CLICKHOUSE.search(str(error))
    code = f" {match[1]} {match[2]}" if match else ""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{code}{where}"
