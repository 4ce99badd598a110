"""Computes the bars of the histogram."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from orgtrail_query_service.page.days import spell
from orgtrail_query_service.reads.summary import Bucket
from orgtrail_schemas.catalogue import LEVELS


class Part(NamedTuple):
    """The events of one level within a bar. ``y`` and ``height`` are percent of the highest bar."""

    level: str
    events: int
    y: float
    height: float


class Bar(NamedTuple):
    """One bucket; ``first`` and ``last`` are its minutes, for the link that zooms in."""

    x: int
    begins: datetime
    ends: datetime
    first: str
    last: str
    total: int
    parts: list[Part]

    def of(self, level: str) -> int:
        """How many events of a level are in the bar."""
        return sum(part.events for part in self.parts if part.level == level)


def bars(
    buckets: Sequence[Bucket], edges: Sequence[datetime], until: datetime, zone: ZoneInfo
) -> list[Bar]:
    """One bar per bucket, in order, including empty ones."""
    counts = {bucket.at: bucket for bucket in buckets}
    found = [
        [(level, getattr(counts[edge], level) if edge in counts else 0) for level in LEVELS]
        for edge in edges
    ]
    highest = max((_sum(of) for of in found), default=0) or 1
    ends = [*edges[1:], until]
    return [
        Bar(
            x=x,
            begins=begins,
            ends=end,
            first=spell(begins, zone),
            last=spell(end - timedelta(milliseconds=1), zone),
            total=_sum(of),
            parts=_parts(of, highest),
        )
        for x, (begins, end, of) in enumerate(zip(edges, ends, found, strict=True))
    ]


def _sum(counts: Sequence[tuple[str, int]]) -> int:
    return sum(count for _, count in counts)


def _parts(counts: Sequence[tuple[str, int]], highest: int) -> list[Part]:
    parts, y = [], 100.0
    for level, count in counts:
        height = round(100 * count / highest, 2)
        y = round(y - height, 2)
        if count:
            parts.append(Part(level, count, y, height))
    return parts
