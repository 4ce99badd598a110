"""``AuditProducer``: what a service calls on its hot path."""

from __future__ import annotations

import atexit
import logging
import os
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from orgtrail.delivery.lane import close_inherited_locks, lane_folders
from orgtrail.delivery.real_threads import Threads
from orgtrail.delivery.report import Delivery, OnDelivery
from orgtrail.errors import (
    AuditError,
    InvalidEventError,
    SettingsError,
    UnconfirmedError,
    UndeliveredError,
)
from orgtrail.event import Actor, Change, Context, Event, Target
from orgtrail.make import make_event
from orgtrail.request.given import completed
from orgtrail.request.traceparent import validated
from orgtrail.scope import current
from orgtrail.settings import ProducerSettings
from orgtrail.text import Text
from orgtrail.typed.unlisted import UnlistedWarnings
from orgtrail_schemas.catalogue import SHIPPED, Catalogue, catalogue, read_catalogue
from orgtrail_schemas.settings import PREFIX

if TYPE_CHECKING:
    import asyncio

    from orgtrail.delivery.engine import Engine
    from orgtrail.delivery.status import Counters

BeforeSend = Callable[[Event], Event | None]
Sink = Callable[[list[Event]], None]

_HEALTHY_AGE_S = 60.0

_MISTAKES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)

_sink: Sink | None = None
_producers: weakref.WeakSet[AuditProducer] = weakref.WeakSet()
# Those with a thread: what waits in the memory of one must not end with the last reference to it.
_running: set[AuditProducer] = set()
_exiting = False
_log = logging.getLogger("orgtrail")


def set_sink(sink: Sink | None) -> Sink | None:
    """Hand the checked events of every producer of this process to ``sink`` instead of Kafka.

    For tests (``orgtrail.testing``). While a sink is set, no producer starts a thread or opens a
    file or a socket. Returns the former sink; ``None`` ends it.
    """
    global _sink
    former, _sink = _sink, sink
    return former


class AuditProducer:
    """Sends audit events to Kafka, without ever making its caller wait for it.

    Once ``emit`` returns, the event is on disk and arrives, also when this process is killed: a
    thread sends what is on disk, and another process of the same spool sends what a dead one left.
    Safe to share between threads, and to be made before a fork: each process starts its own thread
    at its first event.
    """

    def __init__(
        self,
        settings: ProducerSettings | None = None,
        *,
        on_delivery: OnDelivery | None = None,
        before_send: BeforeSend | None = None,
    ) -> None:
        """``settings`` are read from the environment when not given.

        ``on_delivery`` is called from a background thread for every record. ``before_send`` is
        called by ``emit`` with each checked event, whose secrets are redacted already; it returns
        the event to send, changed or not, or ``None`` to send none. An exception in it is logged,
        and the event is sent as it was.

        Raises:
            SettingsError: a setting cannot be used.
        """
        self._settings = settings or ProducerSettings.load()
        self._by_default = settings is None and not os.environ.get(f"{PREFIX}KAFKA_BROKERS")
        self._settings.check()
        self._settings.check_files()
        self._settings.librdkafka()
        self._load()
        self._catalogue = _catalogue(self._settings)
        self._on_delivery = on_delivery
        self._before_send = before_send
        self._unlisted = UnlistedWarnings(self._catalogue)
        # By process: a dictionary's setdefault is one step, which neither a thread nor a signal
        # handler can interrupt, so two that start at once agree on one engine.
        self._engines: dict[int, Engine] = {}
        self._engine: Engine | None = None
        self._closed: Engine | None = None
        self._lost = 0
        self._failed_hooks = 0
        _producers.add(self)
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
        """Take one event; its id is returned.

        On return it is written down and will arrive: ``on_delivery``, for this event or for all,
        tells when. A caller that retries passes the same ``event_id``, and ``occurred_at`` if it
        was given: the same record again is no second event. ``org_id`` may be a list, for a person
        in several. What is not given comes from the scope of the request (``orgtrail.scope``).

        What a client sent (addresses, user agents, ids, names) is repaired where it must be, and
        the metadata ``orgtrail.repaired`` says how.

        Raises:
            InvalidEventError: the caller made a mistake; the error names the field.
            SpoolFullError: so much waits on disk already that the bound is reached.
            BufferFullError: the same in memory, where there is no disk.
        """
        identity, _taken = self._emit(
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
        self,
        event: str,
        *,
        org_id: Any = None,
        actor: Actor | None = None,
        impersonator: Actor | None = None,
        context: Context | None = None,
        traceparent: str | None = None,
        on_delivery: OnDelivery | None = None,
        **details: Any,
    ) -> tuple[str, bool]:
        """``emit``: the event's id, and whether there is something to deliver."""
        try:
            scope = current()
            if scope is not None:
                org_id, actor, impersonator, context, traceparent = completed(
                    scope, org_id, actor, impersonator, context, traceparent
                )
            if actor is None:
                raise InvalidEventError("actor", "is required: pass one, or open a scope with one")
            trace = ""
            if traceparent:
                trace, trace_id = validated(traceparent)
                if trace_id and (context is None or not context.trace_id):
                    context = replace(context or Context(), trace_id=trace_id)
            events = make_event(
                event,
                org_id=org_id,
                actor=actor,
                impersonator=impersonator,
                context=context,
                service=self._settings.service,
                now_ms=time.time_ns() // 1_000_000,
                known=self._catalogue,
                **details,
            )
            if event not in self._catalogue.events:
                self._unlisted.warn_once(event)
            identity = events[0].event_id
            if self._before_send is not None:
                events = [kept for one in events if (kept := self._filtered(one)) is not None]
            taken = bool(events) and self._take(events, trace, on_delivery)
        except AuditError:
            raise
        except _MISTAKES as error:
            # A last line: whatever a caller passed, it gets an AuditError. Exceptions of others,
            # such as a task's time limit, are none of ours.
            raise InvalidEventError("event", f"cannot be taken ({type(error).__name__})") from error
        return identity, taken

    async def emit_confirmed(self, event: str, *, seconds: float = 5, **details: Any) -> str:
        """``emit``, and wait until the event is on disk or acknowledged by Kafka.

        On disk means that it survives a power cut. ``details`` are the arguments of ``emit``.

        Raises:
            UnconfirmedError: neither came to be in time; the event still waits and arrives later.
            AuditError: as ``emit`` does.
        """
        import asyncio

        loop = asyncio.get_running_loop()
        confirmed: asyncio.Future[str] = loop.create_future()
        also = details.pop("on_delivery", None)

        def settle(state: str) -> None:
            # When the loop has ended, nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_set_result, confirmed, state)

        def tell(delivery: Delivery) -> None:
            settle(delivery.state)
            if also is not None:
                also(delivery)

        identity, taken = self._emit(event, on_delivery=tell, **details)
        engine = self._engine
        if not taken:
            return identity
        if engine is not None and engine.on_disk:
            if self._settings.spool_fsync_ms == 0:
                return identity
            engine.tell_when_synced(lambda: settle("synced"))
        try:
            state = await asyncio.wait_for(confirmed, seconds)
        except TimeoutError:
            raise UnconfirmedError(
                f"event {identity} is neither on disk nor acknowledged after {seconds} s"
            ) from None
        if state == "lost":
            raise UnconfirmedError(f"event {identity} was refused by Kafka and is lost")
        return identity

    def flush(self, seconds: float = 5) -> int:
        """Wait until Kafka has acknowledged every event of this process; how many still wait.

        Within ``on_delivery`` it returns at once.
        """
        engine = self._engine
        if engine is None or engine.pid != os.getpid():
            return 0
        engine.flush(seconds)
        return engine.waiting() if engine.own_waiting() else 0

    def counters(self) -> Counters:
        """How many events this process accepted, and what became of them."""
        from orgtrail.delivery.status import Counters

        engine = self._engine or self._closed
        if engine is None or engine.pid != os.getpid():
            return Counters(lost=self._lost)
        found = engine.counters()
        return found._replace(lost=found.lost + self._lost)

    @property
    def spooled(self) -> int:
        """How many events wait, those that ended processes left included."""
        return self.counters().waiting

    def healthy(self) -> bool:
        """Whether events arrive: none was lost, and none has waited for over a minute."""
        found = self.counters()
        return found.lost == 0 and found.oldest_waiting_seconds < _HEALTHY_AGE_S

    @property
    def trouble(self) -> str | None:
        """What keeps events from being delivered now, in one line; ``None``: nothing does."""
        return self._engine.trouble if self._engine is not None else None

    def check(self, seconds: float = 5) -> None:
        """Ask Kafka for the topic: at a service's start, for example.

        Raises:
            SettingsError: a setting cannot be used.
            UnreachableError: no broker answers in time, or the topic cannot be used.
        """
        from orgtrail.delivery.kafka import check

        check(self._settings, seconds)

    def close(self, seconds: float | None = None) -> None:
        """Deliver what waits, within so many seconds (``close_seconds`` by default).

        What Kafka has not taken by then stays on disk for the next process. An event that is
        emitted afterwards is taken all the same. Called again, it does nothing.

        Raises:
            UndeliveredError: events that waited in memory are lost.
        """
        engine = self._engine
        if engine is None or engine.pid != os.getpid():
            return
        self._engine, self._closed = None, engine
        self._engines.pop(engine.pid, None)
        lost = engine.close(self._settings.close_seconds if seconds is None else seconds)
        if self._engine is None:
            _running.discard(self)
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
        """Write the events down; whether there is something to deliver."""
        if _sink is not None:
            _sink(events)
            return False
        if self._settings.disabled:
            return False
        engine = self._engine
        if engine is None or engine.pid != os.getpid():
            engine = self._begin()
        while not engine.put(events, traceparent, tell):
            # Closed by another thread in this moment: the next engine takes it.
            self._engines.pop(engine.pid, None)
            engine = self._begin()
        if engine.threads is Threads.AFTER_FORK:
            # No thread will come here: the lane is left to the workers.
            self.close(0)
        elif _exiting and not engine.on_disk:
            # Nobody closes it any more. What is lost is logged.
            with suppress(AuditError):
                self.close()
        return True

    def _begin(self) -> Engine:
        from orgtrail.delivery.engine import Engine

        pid = os.getpid()
        made = self._engines.get(pid)
        if made is None:
            fresh = Engine(self._settings, self._on_delivery, self._closed)
            made = self._engines.setdefault(pid, fresh)
            if made is fresh:
                _running.add(self)
                if self._by_default:
                    brokers = self._settings.kafka_brokers
                    _log.warning("%sKAFKA_BROKERS is not set: events go to %s", PREFIX, brokers)
                made.start()
            else:
                fresh.close(0)
        self._engine = made
        return made

    def _others_left(self) -> bool:
        """Whether ended processes may have left events: they are sent without waiting for one."""
        if _sink is not None or self._settings.disabled or self._settings.spool == "memory":
            return False
        with suppress(OSError):
            return bool(lane_folders(self._settings.spool_folder(), self._settings.topic))
        return False

    def _load(self) -> None:
        """Import what the threads need, here and not in them.

        A child that is forked while another thread imports a module waits for that import for ever.
        ``import orgtrail`` alone stays light: a process that makes no producer pays nothing.
        """
        if not self._settings.disabled and _sink is None:
            import confluent_kafka  # noqa: F401

            import orgtrail.delivery.engine  # noqa: F401

    def _after_fork(self) -> None:
        """In the child: what the parent's threads hold is not this process's."""
        engines, self._engines, self._engine = self._engines, {}, None
        self._closed = None
        for engine in engines.values():
            engine.abandon()

    def _filtered(self, event: Event) -> Event | None:
        from orgtrail.envelope import seal

        hook = self._before_send
        try:
            found = event if hook is None else hook(event)
            if found is not None:
                seal(found, 0, 0)
            return found
        except Exception as error:
            self._failed_hooks += 1
            if self._failed_hooks == 1:
                _log.error(
                    "before_send failed with %s: events are sent as they were (logged once)",
                    type(error).__name__,
                )
            return event


def _catalogue(settings: ProducerSettings) -> Catalogue:
    if settings.catalogue_file is None:
        return catalogue()
    try:
        return read_catalogue(SHIPPED, settings.catalogue_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{PREFIX}CATALOGUE_FILE: {error}") from None


def _set_result(future: asyncio.Future[str], state: str) -> None:
    if not future.done():
        future.set_result(state)


def _after_fork_in_child() -> None:
    global _exiting  # noqa: PLW0603 - a child of an ending process is a process of its own
    _exiting = False
    _running.clear()
    close_inherited_locks()
    for producer in list(_producers):
        producer._after_fork()


def _close_all() -> None:
    global _exiting  # noqa: PLW0603 - the process ends once
    _exiting = True
    deadline: float | None = None
    for producer in list(_running):
        if deadline is None:
            deadline = time.monotonic() + producer._settings.close_seconds
        # What was lost was logged as an error.
        with suppress(AuditError):
            producer.close(max(0.0, deadline - time.monotonic()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_close_all)
