"""Which of an organization's records could not be stored, and why."""

from __future__ import annotations

from datetime import datetime

import msgspec

from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.event import Source, utc
from orgtrail_query_service.reads.pages import Log
from orgtrail_schemas.reasons import EXPLAINED

MOST = 100


class ReasonCount(msgspec.Struct, frozen=True):
    """How many records were set aside for a reason, and when Kafka received them (UTC)."""

    reason: str
    meaning: str
    records: int
    first_received_at: datetime
    last_received_at: datetime


class SetAsideRecord(msgspec.Struct, frozen=True):
    """One record. ``source`` is its position in Kafka, by which an operator finds it."""

    reason: str
    received_at: datetime
    source: Source


class SetAside(msgspec.Struct, frozen=True):
    """Records that were received since a time (UTC) and could not be stored.

    ``records`` are the newest ones, at most 100.
    """

    since: datetime
    total: int
    reasons: list[ReasonCount]
    records: list[SetAsideRecord]


async def read_set_aside(log: Log, since: datetime) -> SetAside:
    """The records of the organization, by their Kafka key; the most frequent reason first."""
    reasons = [
        # A later version of the consumer may know more reasons.
        ReasonCount(reason, EXPLAINED.get(reason, ""), count, utc(first), utc(last))
        for reason, count, first, last in await log.rows(
            statements.set_aside_reasons(log.org, since)
        )
    ]
    records = [
        SetAsideRecord(reason, utc(received), Source(topic, partition, offset))
        for reason, received, topic, partition, offset in await log.rows(
            statements.set_aside_records(log.org, since, MOST)
        )
    ]
    return SetAside(since, sum(r.records for r in reasons), reasons, records)
