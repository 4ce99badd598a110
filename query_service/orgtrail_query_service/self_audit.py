"""Records who reads the audit log, with the SDK like any other service."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

import structlog

from orgtrail import Actor, AuditProducer, Context, Target
from orgtrail.errors import AuditError
from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.problems import not_recorded
from orgtrail_query_service.reads.display import FIRST_VIEWED_AT, VIEWED
from orgtrail_query_service.reads.search import Search, rfc3339
from orgtrail_schemas.derived_ids import derived_id

log = structlog.get_logger("orgtrail.query")

_ANSWER_WITHIN_S = 15
_REMEMBERED = 100_000


class SelfAudit:
    """Emits ``org.audit-log.viewed`` and ``org.audit-log.exported``."""

    def __init__(self, producer: AuditProducer, *, required: bool) -> None:
        """With ``required``, an export that cannot be recorded is refused."""
        self._producer = producer
        self._required = required
        self._seen: set[UUID] = set()

    def viewed(self, org: str, who: Administrator, context: Context, now: datetime) -> None:
        """Record a caller's first view of an organization in an hour.

        The ID and the time are derived from caller, organization and hour, so that several workers
        record the same event: the one that is received first stays, with the time of its view.
        """
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        event_id = view_id(org, who.subject, hour)
        if event_id in self._seen:
            return
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        try:
            self._producer.emit(
                VIEWED,
                org_id=org,
                actor=_actor(who),
                targets=[Target(type="organization", id=org)],
                metadata={"view": "events", FIRST_VIEWED_AT: rfc3339(now.astimezone(UTC))},
                context=context,
                event_id=event_id,
                occurred_at=hour,
            )
            self._seen.add(event_id)
        except AuditError as error:
            log.error("view_not_recorded", error=type(error).__name__)

    async def exported(
        self, org: str, who: Administrator, context: Context, search: Search, suffix: str
    ) -> None:
        """Record an export. On return, Kafka has the record, or it is on the local disk.

        Raises:
            Problem: neither is the case, and the setting requires it.
        """
        try:
            await self._producer.emit_confirmed(
                "org.audit-log.exported",
                seconds=_ANSWER_WITHIN_S,
                org_id=org,
                actor=_actor(who),
                targets=[Target(type="organization", id=org)],
                metadata={"format": suffix, "filters": urlencode(search.parameters())},
                context=context,
            )
        except AuditError:
            log.error("export_not_recorded", refused=self._required)
            if self._required:
                raise not_recorded() from None

    def close(self) -> None:
        """Deliver the remaining records, or spool them."""
        try:
            self._producer.close(5)
        except AuditError as error:
            log.error("views_not_recorded", error=str(error))


def view_id(org: str, subject: str, hour: datetime) -> UUID:
    """The ID of a caller's first view of an organization in an hour."""
    return derived_id(hour, org, subject)


def _actor(who: Administrator) -> Actor:
    return Actor(type=who.type, id=who.subject, email=who.email, name=who.name)
