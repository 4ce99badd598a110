"""``AuditProducer``: the object that a service calls to emit events."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from orgtrail import process_hooks
from orgtrail.compose import MISTAKES, BeforeSend, Composer
from orgtrail.delivery.lane import lane_folders
from orgtrail.delivery.real_threads import Threads
from orgtrail.delivery.report import Delivery, OnDelivery
from orgtrail.errors import (
    AuditError,
    InvalidEventError,
    UnconfirmedError,
    UndeliveredError,
)
from orgtrail.event import Actor, Change, Context, Event, Target
from orgtrail.settings import ProducerSettings
from orgtrail.text import Text
from orgtrail_schemas.settings import PREFIX

if TYPE_CHECKING:
    import asyncio

    from orgtrail.delivery.engine import Engine
    from orgtrail.delivery.status import Counters

Sink = Callable[[list[Event]], None]

_HEALTHY_AGE_S = 60.0

_sink: Sink | None = None
_log = logging.getLogger("orgtrail")


def captured(events: list[Event]) -> bool:
    """Pass the events to the sink if there is one; return whether there is."""
    if _sink is None:
        return False
    _sink(events)
    return True


def set_sink(sink: Sink | None) -> Sink | None:
    """Pass the events of every producer in this process to ``sink`` instead of sending them.

    For tests (``orgtrail.testing``). While a sink is set, no producer starts a thread or opens a
    file or a socket. ``None`` removes the sink. Returns the previous sink.
    """
    global _sink
    former, _sink = _sink, sink
    return former


class AuditProducer:
    """Sends audit events to Kafka. The caller never waits for Kafka.

    ``emit`` writes the event to disk before it returns. A background thread then sends the events
    on disk. If this process is killed, another process that uses the same spool sends the rest.

    A producer is safe to share between threads and may be created before a fork: each process
    starts its own thread at its first event.
    """

    def __init__(
        self,
        settings: ProducerSettings | None = None,
        *,
        on_delivery: OnDelivery | None = None,
        before_send: BeforeSend | None = None,
    ) -> None:
        """``settings`` default to those of the environment.

        ``on_delivery`` is called from a background thread with the outcome of every record.
        ``emit`` calls ``before_send`` with each validated and redacted event. The hook returns the
        event to send, or ``None`` to drop it. If the hook raises, the exception is logged and the
        event is sent unchanged.

        Raises:
            SettingsError: a setting is invalid.
        """
        self._settings = settings or ProducerSettings.load()
        self._by_default = settings is None and not os.environ.get(f"{PREFIX}KAFKA_BROKERS")
        self._settings.check()
        self._settings.check_files()
        self._settings.librdkafka()
        self._load()
        self._composer = Composer(self._settings, before_send)
        self._on_delivery = on_delivery
        # Keyed by process id. dict.setdefault is atomic with respect to threads and signal
        # handlers, so two callers that start at the same time get the same engine.
        self._engines: dict[int, Engine] = {}
        self._engine: Engine | None = None
        self._closed: Engine | None = None
        self._lost = 0
        process_hooks.watch(self)
        if self._others_left():
            self._begin()

    def emit(
        self,
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
        on_delivery: OnDelivery | None = None,
    ) -> str:
        """Accept one event for delivery and return its id.

        When this returns, the event is written to disk and will be delivered. ``on_delivery``, of
        this call or of the producer, is called with the outcome. To retry a call, pass the same
        ``event_id``, and the same ``occurred_at`` if you passed one: a repeated record is stored
        once. ``org_id`` may be a list if the event belongs to several organizations. Arguments
        that are not passed come from the request's scope (``orgtrail.scope``).

        Invalid client input (addresses, user agents, ids, names) is repaired, and the metadata
        ``orgtrail.repaired`` lists the repairs.

        Raises:
            InvalidEventError: an argument is invalid; the error names the field.
            SpoolFullError: the spool on disk is full, or cannot be written.
            BufferFullError: the disk is not used and the in-memory buffer is full.
        """
        identity, _accepted = self._emit(
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
            on_delivery=on_delivery,
        )
        return identity

    def _emit(
        self, event: str, *, on_delivery: OnDelivery | None = None, **arguments: Any
    ) -> tuple[str, bool]:
        """Emit an event; return its id and whether it was queued for delivery."""
        composed = self._composer.compose(event, **arguments)
        try:
            accepted = bool(composed.events) and self._take(
                composed.events, composed.traceparent, on_delivery
            )
        except AuditError:
            raise
        except MISTAKES as error:
            raise InvalidEventError("event", f"is invalid ({type(error).__name__})") from error
        return composed.event_id, accepted

    async def emit_confirmed(self, event: str, *, seconds: float = 5, **details: Any) -> str:
        """Emit an event and wait until it is synced to disk or acknowledged by Kafka.

        A synced event survives a power cut. ``details`` are the arguments of ``emit``.

        Raises:
            UnconfirmedError: neither happened within ``seconds``, so the event is still queued;
                or Kafka rejected the event and it is lost.
            AuditError: as for ``emit``.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[str] = loop.create_future()
        also = details.pop("on_delivery", None)

        def settle(state: str) -> None:
            # The event loop may have closed by now; then there is no waiter left.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_set_result, confirmed, state)

        def tell(delivery: Delivery) -> None:
            settle(delivery.state)
            if also is not None:
                also(delivery)

        identity, accepted = self._emit(event, on_delivery=tell, **details)
        engine = self._engine
        if not accepted:
            return identity
        if engine is not None and engine.on_disk:
            if self._settings.spool_fsync_ms == 0:
                return identity
            engine.tell_when_synced(lambda: settle("synced"))
        try:
            state = await asyncio.wait_for(confirmed, seconds)
        except TimeoutError:
            raise UnconfirmedError(
                f"event {identity} is neither on disk nor acknowledged after {seconds} s;"
                " it is still queued"
            ) from None
        if state == "lost":
            raise UnconfirmedError(f"event {identity} was rejected by Kafka and is lost")
        return identity

    def flush(self, seconds: float = 5) -> int:
        """Wait up to ``seconds`` until Kafka has acknowledged every event of this process.

        Returns the number of events that are still waiting. Inside ``on_delivery`` it returns
        immediately.
        """
        engine = self._engine
        if engine is None or engine.pid != os.getpid():
            return 0
        engine.flush(seconds)
        return engine.waiting() if engine.own_waiting() else 0

    def counters(self) -> Counters:
        """Return the counts of accepted, acknowledged, waiting, set aside and lost events."""
        from orgtrail.delivery.status import Counters

        engine = self._engine or self._closed
        if engine is None or engine.pid != os.getpid():
            return Counters(lost=self._lost)
        counters = engine.counters()
        return counters._replace(lost=counters.lost + self._lost)

    @property
    def spooled(self) -> int:
        """Number of events waiting for delivery, including those adopted from dead processes."""
        return self.counters().waiting

    def healthy(self) -> bool:
        """Whether no event was lost and none has waited for over a minute."""
        counters = self.counters()
        return counters.lost == 0 and counters.oldest_waiting_seconds < _HEALTHY_AGE_S

    @property
    def trouble(self) -> str | None:
        """The current delivery problem in one line, or ``None`` if there is none."""
        return self._engine.trouble if self._engine is not None else None

    def check(self, seconds: float = 5) -> None:
        """Check that Kafka is reachable and the topic exists, for example when a service starts.

        Raises:
            SettingsError: a setting is invalid.
            UnreachableError: no broker answers within ``seconds``, or the topic is unusable.
        """
        from orgtrail.delivery.kafka import check

        check(self._settings, seconds)

    def close(self, seconds: float | None = None) -> None:
        """Deliver waiting events for up to ``seconds`` (default: ``close_seconds``), then stop.

        Events that Kafka has not acknowledged by then stay on disk for the next process. An event
        emitted after ``close`` is still accepted. A second call does nothing.

        Raises:
            UndeliveredError: events that were held in memory are lost.
        """
        engine = self._engine
        if engine is None or engine.pid != os.getpid():
            return
        self._engine, self._closed = None, engine
        self._engines.pop(engine.pid, None)
        lost = engine.close(self._settings.close_seconds if seconds is None else seconds)
        if self._engine is None:
            process_hooks.stopped(self)
        self._lost += lost
        if lost:
            raise UndeliveredError(lost)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self, events: list[Event], traceparent: str, tell: OnDelivery | None) -> bool:
        """Append the events to the journal; return whether they were queued for delivery."""
        if captured(events) or self._settings.disabled:
            return False
        engine = self._engine
        if engine is None or engine.pid != os.getpid():
            engine = self._begin()
        while not engine.put(events, traceparent, tell):
            # Another thread has just closed this engine: start a new one for the event.
            self._engines.pop(engine.pid, None)
            engine = self._begin()
        if engine.threads is Threads.AFTER_FORK:
            # This process must not start a thread (uWSGI's master). Release the lane, so that a
            # worker adopts it and sends the event.
            self.close(0)
        elif process_hooks.is_exiting() and not engine.on_disk:
            # The exit handler may have passed this producer already, so close it here. Lost
            # events are logged.
            with suppress(AuditError):
                self.close()
        return True

    def _begin(self) -> Engine:
        from orgtrail.delivery.engine import Engine

        pid = os.getpid()
        engine = self._engines.get(pid)
        if engine is None:
            fresh = Engine(self._settings, self._on_delivery, self._closed)
            engine = self._engines.setdefault(pid, fresh)
            if engine is fresh:
                process_hooks.started(self)
                if self._by_default:
                    brokers = self._settings.kafka_brokers
                    _log.warning("%sKAFKA_BROKERS is not set: events go to %s", PREFIX, brokers)
                engine.start()
            else:
                fresh.close(0)
        self._engine = engine
        return engine

    def _others_left(self) -> bool:
        """Whether dead processes left lanes, whose events must be sent before our first emit."""
        if _sink is not None or self._settings.disabled or self._settings.spool == "memory":
            return False
        with suppress(OSError):
            return bool(lane_folders(self._settings.spool_folder(), self._settings.topic))
        return False

    def _load(self) -> None:
        """Import the modules that the threads need before any thread starts.

        If a fork happens while another thread imports a module, the child inherits the held import
        lock and deadlocks on that module. The imports are not at the top of this file because
        ``import orgtrail`` must stay cheap for processes that create no producer.
        """
        if not self._settings.disabled and _sink is None:
            import confluent_kafka  # noqa: F401

            import orgtrail.delivery.engine  # noqa: F401

    @property
    def close_seconds(self) -> float:
        """How long ``close`` may take at the end of the process."""
        return self._settings.close_seconds

    def after_fork(self) -> None:
        """In a forked child, drop the state that belongs to the parent's threads."""
        engines, self._engines, self._engine = self._engines, {}, None
        self._closed = None
        for engine in engines.values():
            engine.abandon()


def _set_result(future: asyncio.Future[str], state: str) -> None:
    if not future.done():
        future.set_result(state)
