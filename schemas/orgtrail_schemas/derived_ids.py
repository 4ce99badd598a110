"""Event IDs that follow from what an event says: recorded again, it is the same event."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID


def derived_id(moment: datetime, *parts: str) -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7) of a time with a digest in place of random bits."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    value = int(moment.timestamp() * 1000) << 80 | int.from_bytes(digest[:10])
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
