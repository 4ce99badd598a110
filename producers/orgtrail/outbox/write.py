"""``Outbox``: emits events that exist if and only if the caller's transaction commits."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from orgtrail.compose import BeforeSend, Composer
from orgtrail.envelope import Envelope, headers, seal
from orgtrail.event import Actor, Change, Context, Target
from orgtrail.outbox.insert import Row, insert
from orgtrail.outbox.table import TABLE, statements
from orgtrail.producer import captured
from orgtrail.settings import ProducerSettings
from orgtrail.text import Text


class Outbox:
    """Inserts events into the outbox table in the caller's transaction.

    It does not send them: ``orgtrail relay`` does that in a separate process. An outbox is safe to
    share between threads and may be created before a fork.
    """

    def __init__(
        self,
        settings: ProducerSettings | None = None,
        *,
        table: str = TABLE,
        before_send: BeforeSend | None = None,
    ) -> None:
        """``settings`` and ``before_send`` are as in ``AuditProducer``.

        Raises:
            SettingsError: a setting or the table name is invalid.
        """
        # A placeholder, because only the relay connects to Kafka: a service that writes to the
        # outbox does not have to set the brokers.
        settings = settings or ProducerSettings.load(kafka_brokers="unused:9092")
        settings.check()
        statements("postgresql", table)
        self._table = table
        self._topic = settings.topic
        self._disabled = settings.disabled
        self._composer = Composer(settings, before_send)

    def emit(
        self,
        connection: Any,
        event: str,
        *,
        org_id: Text | Iterable[Text] = None,
        actor: Actor | None = None,
        impersonator: Actor | None = None,
        targets: Iterable[Target] | Target | None = (),
        changes: Iterable[Change] | Change | None = (),
        context: Context | None = None,
        outcome: str = "success",
        metadata: Mapping[str, Text] | None = None,
        event_id: uuid.UUID | str | None = None,
        occurred_at: datetime | None = None,
        traceparent: str | None = None,
    ) -> str:
        """Insert one event in the transaction of ``connection`` and return its id.

        The event is delivered after the caller commits, and never if the caller rolls back. It is
        validated, completed and redacted as in ``AuditProducer.emit``. ``connection`` is a
        connection or cursor of sqlite3, psycopg or psycopg2, Django's connection, or a SQLAlchemy
        Connection or Session.

        Raises:
            InvalidEventError: an argument is invalid; the error names the field.
            Exception: the driver's error, unchanged; the caller must roll back.
        """
        composed = self._composer.compose(
            event,
            org_id=org_id,
            actor=actor,
            impersonator=impersonator,
            targets=targets,
            changes=changes,
            context=context,
            outcome=outcome,
            metadata=metadata,
            event_id=event_id,
            occurred_at=occurred_at,
            traceparent=traceparent,
        )
        if composed.events and not captured(composed.events) and not self._disabled:
            envelopes = [seal(one, 0, 0, composed.traceparent) for one in composed.events]
            insert(connection, self._table, [_row(self._topic, one) for one in envelopes])
        return composed.event_id


def _row(topic: str, envelope: Envelope) -> Row:
    sent = dict(headers(envelope))
    return {
        "id": envelope.event_id,
        "aggregatetype": topic,
        "aggregateid": envelope.key,
        "type": envelope.event,
        "payload": envelope.value,
        "ce_source": sent["ce_source"].decode(),
        "ce_time": sent["ce_time"].decode(),
        "traceparent": envelope.traceparent or None,
    }
