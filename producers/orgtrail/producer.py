"""``AuditProducer``: what a service calls on its hot path."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from orgtrail.errors import AuditError, BufferFullError, InvalidEventError, UndeliveredError
from orgtrail.event import Actor, Change, Context, Record, Target, build_event, new_event_id
from orgtrail.kafka import Headers, KafkaClient
from orgtrail.settings import ProducerSettings
from orgtrail.spool import Spool
from orgtrail_schemas.codec import encode
from orgtrail_schemas.event_schema import current_schema

MAX_EVENT_BYTES = 900_000
"""How large an encoded event may be: what a topic and its producers take by default, less room."""

_DRAIN = 500


class Delivery(NamedTuple):
    """What became of one record.

    ``state`` is ``acknowledged`` (Kafka has it), ``spooled`` (it is on disk here, and goes to
    Kafka later) or ``failed``, with the ``error``.
    """

    event_id: str
    state: str
    error: str | None = None


OnDelivery = Callable[[Delivery], None]


class AuditProducer:
    """Sends audit events to Kafka, without ever blocking its caller on it.

    Safe to share between threads. Make one for each process, after any fork, and close it.
    """

    def __init__(
        self, settings: ProducerSettings | None = None, *, on_delivery: OnDelivery | None = None
    ) -> None:
        """``settings`` are read from the environment when not given.

        ``on_delivery`` is called from a background thread for every record.

        Raises:
            SettingsError: a setting cannot be used.
            SpoolFullError: the spool directory cannot be used.
        """
        self._settings = settings or ProducerSettings.load()
        self._on_delivery = on_delivery
        self._schema = current_schema()
        self._kafka = KafkaClient(self._settings)
        self._spool = (
            Spool(self._settings.spool_dir, self._settings.spool_megabytes * 1_000_000)
            if self._settings.spool_dir
            else None
        )
        self._failed = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="orgtrail", daemon=True)
        self._thread.start()

    def emit(
        self,
        event: str,
        *,
        org_id: str | Sequence[str],
        actor: Actor,
        impersonator: Actor | None = None,
        targets: Sequence[Target] = (),
        changes: Sequence[Change] = (),
        context: Context | None = None,
        outcome: str = "success",
        metadata: Mapping[str, str] | None = None,
        event_id: uuid.UUID | str | None = None,
        occurred_at: datetime | None = None,
        traceparent: str | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> str:
        """Take one event; its id is returned.

        It is taken, not yet delivered: ``on_delivery``, for this event or for all, tells. A caller
        that retries passes the same ``event_id``, and ``occurred_at`` if it was given: the same
        record again is no second event. ``org_id`` may be a list, for a person in several.

        Raises:
            InvalidEventError: the event cannot be sent; the error names the field.
            BufferFullError: Kafka does not take events, the buffer is full, and there is no spool.
            SpoolFullError: the same, and the spool is full or its disk fails.
            AuditError: the producer is closed.
        """
        if self._closing.is_set():
            raise AuditError("the producer is closed")
        identity = new_event_id() if event_id is None else event_id
        records = build_event(
            event,
            org_id=org_id,
            actor=actor,
            impersonator=impersonator,
            targets=targets,
            changes=changes,
            context=context,
            outcome=outcome,
            metadata=metadata,
            event_id=identity,
            occurred_at=occurred_at,
            service=self._settings.service,
            now=datetime.now(UTC),
        )
        report = on_delivery or self._on_delivery
        for record in records:
            self._send(record, traceparent, report)
        return str(records[0]["event_id"])

    def flush(self, seconds: float = 30) -> int:
        """Wait until Kafka acknowledged, or the spool took, every event; how many it did not."""
        return self._kafka.flush(seconds)

    @property
    def spooled(self) -> int:
        """How many events wait on disk."""
        return len(self._spool) if self._spool is not None else 0

    def close(self, seconds: float = 30) -> None:
        """Deliver what was taken, or spool it. Called again, it does nothing.

        Raises:
            UndeliveredError: neither was possible for some events.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        if self._kafka.flush(seconds):
            self._kafka.give_up()
        if self._spool is not None:
            self._spool.close()
        if self._failed:
            raise UndeliveredError(self._failed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, record: Record, traceparent: str | None, report: OnDelivery | None) -> None:
        key = record["org_id"].encode()
        value = encode(self._schema, record)
        headers = _headers(record, traceparent)
        # Checked here and not by Kafka: the spool must hold nothing that can never leave it.
        if len(value) > MAX_EVENT_BYTES:
            raise InvalidEventError("event", f"is larger than {MAX_EVENT_BYTES} bytes")
        done = partial(self._delivered, record["event_id"], report)
        # While older events wait on disk, newer ones queue behind them.
        if self._spool is not None and len(self._spool):
            self._put_aside(record["event_id"], report, key, value, headers)
            return
        try:
            self._kafka.send(key, value, headers, done)
        except BufferError as error:
            if self._spool is None:
                raise BufferFullError(
                    f"{self._settings.buffer_events} events wait for Kafka already, and no spool"
                    " directory is configured"
                ) from error
            self._put_aside(record["event_id"], report, key, value, headers)

    def _put_aside(
        self,
        event_id: str,
        report: OnDelivery | None,
        key: bytes,
        value: bytes,
        headers: Headers,
    ) -> None:
        if self._spool is None:
            raise AuditError("there is no spool")
        self._spool.put(key, value, headers)
        if report:
            report(Delivery(event_id, "spooled"))

    def _delivered(
        self,
        event_id: str,
        report: OnDelivery | None,
        error: str | None,
        key: bytes,
        value: bytes,
        headers: Headers,
    ) -> None:
        if error is None:
            outcome = Delivery(event_id, "acknowledged")
        elif self._spool is None:
            self._failed += 1
            outcome = Delivery(event_id, "failed", error)
        else:
            try:
                self._spool.put(key, value, headers)
                outcome = Delivery(event_id, "spooled")
            except AuditError as full:
                self._failed += 1
                outcome = Delivery(event_id, "failed", str(full))
        if report:
            report(outcome)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._kafka.poll(0.1)
            if self._spool is not None and len(self._spool):
                self._drain(self._spool)

    def _drain(self, spool: Spool) -> None:
        if not self._kafka.reachable():
            return
        batch = spool.oldest(_DRAIN)
        results: list[str | None] = []

        def delivered(error: str | None, *_message: object) -> None:
            results.append(error)

        try:
            for item in batch:
                self._kafka.send(item.key, item.value, item.headers, delivered)
        except BufferError:
            # The rest stays where it is; what was sent is sent again, which is harmless.
            self._kafka.poll(0.1)
            return
        while len(results) < len(batch) and not self._closing.is_set():
            self._kafka.poll(0.1)
        if batch and results == [None] * len(batch):
            spool.remove_through(batch[-1].number)


def _headers(record: Record, traceparent: str | None) -> Headers:
    """The attributes of the CloudEvents Kafka binding, binary mode (version 1.0.2, section 3.2)."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", record["event_id"].encode()),
        ("ce_type", record["event"].encode()),
        ("ce_source", (record["context"]["service"] or "orgtrail").encode()),
        ("ce_time", record["occurred_at"].isoformat(timespec="milliseconds").encode()),
        ("content-type", b"application/avro"),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers
