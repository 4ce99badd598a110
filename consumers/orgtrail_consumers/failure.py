"""What may be said of an error: never its text, which may repeat data of an event."""

from __future__ import annotations

import re
import traceback
from pathlib import Path


class StopError(Exception):
    """The worker must stop; the text says why and what to do, and holds no data of events."""


# ClickHouse's own form: "Code: 497. DB::Exception: … (ACCESS_DENIED)".
_CLICKHOUSE = re.compile(r"Code: (\d+)\..*?\(([A-Z_]+)\)", re.DOTALL)


def describe(error: BaseException) -> str:
    """The error's class, ClickHouse's code where it has one, and where it was raised.

    Of a ``StopError``, its text.
    """
    if isinstance(error, StopError):
        return str(error)
    found = _CLICKHOUSE.search(str(error))
    code = f" {found[1]} {found[2]}" if found else ""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{code}{place}"
