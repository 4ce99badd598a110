"""The W3C header ``traceparent``: https://www.w3.org/TR/trace-context-1/."""

from __future__ import annotations

import re
from typing import Any

NONE = ("", "")
"""The result for a header that is absent or invalid."""

_LONGEST = 512
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


def validated(value: Any) -> tuple[str, str]:
    """Return the header to propagate and its trace id, or two empty strings if it is invalid.

    A later version of the header may append parts. It is propagated as version 00, with only the
    flag that version 00 defines (section 3.2.2.5 of the recommendation).
    """
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str) or len(value) > _LONGEST:
        return NONE
    value = value.strip(" \t")
    match = _FORM.fullmatch(value)
    if match is None:
        return NONE
    version, trace_id, parent_id, flags, more = match.groups()
    if version == "ff" or not trace_id.strip("0") or not parent_id.strip("0"):
        return NONE
    if version == "00":
        return NONE if more else (value, trace_id)
    return f"00-{trace_id}-{parent_id}-{int(flags, 16) & _SAMPLED:02x}", trace_id
