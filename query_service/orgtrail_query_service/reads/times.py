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
    whole = [msgspec.to_builtins(value, builtin_types=(datetime,))]
    _write_times(whole)
    return whole[0]


def _write_times(container: Any) -> None:
    """Replace the times in a list or dict, in place: a page has thousands of other values."""
    for key, item in container.items() if type(container) is dict else enumerate(container):
        kind = type(item)
        if kind is datetime:
            container[key] = rfc3339(item.astimezone(UTC))
        elif kind is dict or kind is list:
            _write_times(item)
