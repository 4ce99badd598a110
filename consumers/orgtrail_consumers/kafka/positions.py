"""The positions of partitions, in Kafka's terms."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """The position of a partition at the last answer to a fetch.

    ``position`` is the next offset to fetch. ``last_stable_offset`` is the end offset for
    read_committed consumers, and ``high_watermark`` is the end of the records that all in-sync
    replicas have. ``asked_at`` is when the fetch was sent (milliseconds since 1970, this machine's
    clock). ``last_polled`` is the last offset that the client returned, or ``None``.
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
