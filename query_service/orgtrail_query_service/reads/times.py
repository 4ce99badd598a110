"""Times in JSON, as the exports write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from orgtrail_query_service.reads.search import rfc3339


def with_times(value: Any) -> Any:
    """The value as plain JSON types. Times are RFC 3339 in UTC with three digits of a second.

    msgspec alone writes six digits or none.
    """
    return _timed(msgspec.to_builtins(value, builtin_types=(datetime,)))


def _timed(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value.astimezone(UTC))
    if isinstance(value, dict):
        return {key: _timed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_timed(item) for item in value]
    return value
