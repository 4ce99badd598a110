"""Where partitions stand, in Kafka's own terms."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """Where a partition stood at the last answer to a fetch.

    ``position`` is the next offset to fetch. ``last_stable_offset`` is the end for readers of
    committed records, ``high_watermark`` the end of what all replicas have. ``asked_at`` is when
    the fetch was sent (milliseconds since 1970, this machine's clock). ``last_polled`` is the last
    offset that the client handed to us, or ``None``.
    """

    position: int
    last_stable_offset: int
    high_watermark: int
    asked_at: int
    last_polled: int | None


class Partitions(NamedTuple):
    """How many partitions a topic had when Kafka was asked at ``asked_at`` (milliseconds)."""

    number: int
    asked_at: int
