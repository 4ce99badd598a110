"""Which shard of a ClickHouse cluster holds an organization: one rule for writers and readers."""

from __future__ import annotations

from zlib import crc32

SHARDING_KEY = "CRC32(org_id)"
"""The same rule for ClickHouse, as the sharding key of a Distributed table without weights."""


def shard_of(org_id: str, shards: int) -> int:
    """The position of the organization's shard among so many. With another number it differs."""
    return crc32(org_id.encode()) % shards
