"""The engine of one producer in one process: the journal, the sender thread, the sync thread.

A forked child creates its own engine at its first event and does not touch the parent's.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from orgtrail.delivery.frames import frame
from orgtrail.delivery.journal import Journal
from orgtrail.delivery.kafka import KafkaClient
from orgtrail.delivery.lane import Position
from orgtrail.delivery.queue import Queue
from orgtrail.delivery.real_threads import Threads, pause, threads
from orgtrail.delivery.refusals import Refusals
from orgtrail.delivery.report import OnDelivery
from orgtrail.delivery.segments import MemorySegment
from orgtrail.delivery.sender import Sender
from orgtrail.delivery.status import Counter, Counters, Notices, say
from orgtrail.delivery.worker import Worker
from orgtrail.envelope import seal
from orgtrail.event import Event
from orgtrail.settings import ProducerSettings

_IDLE_S = 1.0
_SHUTDOWN_GRACE_S = 0.05
_FORMER_SPOOL = "spool.sqlite3"
_LONGEST_WAIT_S = 1_000_000.0
_WAIT_FOR_BEFORE_S = 0.01


class Engine:
    """Accepts events and delivers them. ``pid`` is the process that it belongs to."""

    def __init__(
        self,
        settings: ProducerSettings,
        on_delivery: OnDelivery | None,
        before: Engine | None = None,
    ) -> None:
        """``before`` is an engine that was closed in this process; its events are sent first."""
        self.pid = os.getpid()
        self.threads = Threads.YES
        self._settings = settings
        self._notices = Notices(time.monotonic)
        self._tickets = count(1).__next__
        self._accepted = Counter()
        spool = _usable_spool(settings, self._notices)
        self._journal = Journal(
            spool,
            topic=settings.topic,
            max_bytes=settings.spool_megabytes * 1_000_000,
            memory_bytes=settings.buffer_kilobytes * 1_000,
            memory_events=settings.buffer_events,
            notices=self._notices,
        )
        # A tenth of the spool's limit, so that data set aside cannot fill the disk.
        refusals = Refusals(spool, settings.spool_megabytes * 1_000_000 // 10)
        self._own = Queue([], Position(), save=self._journal.save, on_damage=refusals.keep_damage)
        self._sender = Sender(
            self._own,
            spool=spool,
            topic=settings.topic,
            refusals=refusals,
            connect=partial(KafkaClient, settings),
            tend=self._tend,
            on_delivery=on_delivery,
            notices=self._notices,
            destination=settings.kafka_brokers,
        )
        self._before = before
        if before is None:
            # Adopt lanes now, so that their events count as waiting from the start. Not after a
            # closed engine, which may still hold older lanes.
            self._sender.adopted.take_over()
        self._journal.attach(self._own)
        self._sync = settings.spool_fsync_ms == 0
        self._syncing = Worker(self._sync_step, self._to_sync, self._sync_failed)
        self._sending = Worker(
            self._send_step, self._sender.ready, self._send_failed, at_end=self._end
        )
        self._lost_at_end = 0
        self._ended = False
        self._left = 0
        self._synced_tells: list[Callable[[], None]] = []

    def start(self) -> None:
        """Start the threads. May be called again if that failed."""
        self.threads = threads()
        if self.threads is Threads.AFTER_FORK:
            return
        if self.threads is Threads.NO:
            self._notices.say(
                logging.ERROR,
                "no_threads",
                "uWSGI runs without threads, so no events are sent. Start it with"
                " --enable-threads; until then events stay in the spool",
            )
            return
        if not self._sending.start() or not (self._sync or self._syncing.start()):
            self._notices.say(
                logging.WARNING,
                "no_threads",
                "no thread can be started, so no events are sent; they stay queued",
            )

    def put(
        self,
        events: list[Event],
        traceparent: str,
        tell: OnDelivery | None,
    ) -> bool:
        """Accept all of the events or none; return ``False`` if this engine was closed.

        Raises:
            InvalidEventError: an event is too large.
            SpoolFullError, BufferFullError: the spool or the in-memory buffer is full.
        """
        journal = self._journal
        if not journal.on_disk:
            journal.check_memory(self._own_count())
        if not self._sending.started and self.threads is Threads.YES:
            self.start()
        now = time.time_ns() // 1_000_000
        if len(events) == 1:
            ticket = self._tickets()
            tickets: tuple[int, ...] = (ticket,)
            data = frame(seal(events[0], ticket, now, traceparent))
        else:
            tickets = tuple(self._tickets() for _ in events)
            data = b"".join(
                frame(seal(event, ticket, now, traceparent))
                for event, ticket in zip(events, tickets, strict=True)
            )
        if tell is not None:
            # Register before the append: the event may be delivered immediately afterwards.
            self._sender.callbacks |= dict.fromkeys(tickets, tell)
        appended = False
        try:
            appended = journal.append(tickets[0], data, sync=self._sync)
        finally:
            if not appended and tell is not None:
                for ticket in tickets:
                    self._sender.callbacks.pop(ticket, None)
        if not appended:
            return False
        for _ in tickets:
            self._accepted.add()
        if self._sending.idle:
            self._sending.wake()
        if self._syncing.idle and journal.on_disk:
            self._syncing.wake()
        return True

    @property
    def on_disk(self) -> bool:
        """Whether an event that is put now survives the process."""
        return self._journal.on_disk

    def tell_when_synced(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` once all events put so far are synced to disk."""
        self._synced_tells.append(tell)
        self._syncing.wake()

    def waiting(self) -> int:
        """Return the number of waiting events of this process and of adopted lanes."""
        return self._own_count() + self._sender.adopted.waiting()

    def _own_count(self) -> int:
        if self._ended:
            return self._left
        if self._own.settled():
            return 0
        return max(1, self._accepted.value() - self._sender.own_settled)

    def own_waiting(self) -> bool:
        """Whether any event of this process is waiting."""
        return self._own_count() > 0

    def counters(self) -> Counters:
        """Return the counts of records since this engine was created."""
        sender = self._sender
        age = 0.0
        oldest = sender.oldest
        if oldest is not None:
            age = max(0.0, time.time() - oldest / 1000)
        return Counters(
            accepted=self._accepted.value(),
            acknowledged=sender.acknowledged.value(),
            waiting=self.waiting(),
            set_aside=sender.refusals.set_aside.value(),
            lost=sender.refusals.lost.value(),
            damaged=sender.refusals.damaged.value(),
            oldest_waiting_seconds=age,
        )

    @property
    def trouble(self) -> str | None:
        """The current delivery problem in one line, or ``None`` if there is none."""
        return self._sender.trouble if self._sending.started else "no thread could be started"

    def flush(self, seconds: float) -> bool:
        """Wait until no event of this process is waiting; return ``False`` on timeout."""
        if self._sending.is_this_thread():
            return not self.own_waiting()
        deadline = time.monotonic() + seconds
        while self.own_waiting():
            if time.monotonic() >= deadline:
                return False
            self._sending.wake()
            # Use time.sleep, which gevent may have patched, so that other greenlets keep running.
            time.sleep(min(0.005, max(0.0, deadline - time.monotonic())))
        return True

    def close(self, seconds: float) -> int:
        """Deliver events for up to ``seconds``, then stop.

        Returns the number of events in memory that are lost.
        """
        seconds = min(max(seconds, 0), _LONGEST_WAIT_S)
        deadline = time.monotonic() + seconds
        if self.threads is Threads.YES:
            self.flush(seconds)
        self._journal.seal(_SHUTDOWN_GRACE_S)
        self._syncing.stop(0)
        if not self._sending.stop(max(_SHUTDOWN_GRACE_S, deadline - time.monotonic())):
            # A callback or the disk blocks the thread, or this call runs on it. The thread ends
            # later and may still deliver some of the events in memory.
            self._report_lost(self._memory_waiting())
        return self._lost_at_end

    @property
    def ended(self) -> bool:
        """Whether the threads of this engine and its predecessors have released their lanes."""
        return self._ended and self._is_next()

    def abandon(self) -> None:
        """In a forked child, drop the parent's resources without modifying them."""
        self._journal.abandon()
        self._sender.abandon()

    def _end(self) -> None:
        """At the end of the sending thread, leave waiting events to the next process."""
        try:
            # If a writer is still active, the lane stays locked until the process exits.
            if self._journal.sealed(_SHUTDOWN_GRACE_S):
                self._leave()
        finally:
            self._sender.stop()
            self._ended = True

    def _leave(self) -> None:
        self._journal.finish()
        if self._own.settled():
            self._own.tidy()
            self._journal.leave(empty=True)
            self._own.close()
            return
        self._left = self._own_count()
        self._report_lost(self._memory_waiting())
        self._journal.leave(empty=False)
        self._own.close()
        if self.threads is not Threads.AFTER_FORK and not self._lost_at_end:
            say(
                logging.WARNING,
                "%d events in %s are not delivered to Kafka at %s; the next process that uses the"
                " folder sends them",
                self._left,
                self._settings.spool_folder(),
                self._settings.kafka_brokers,
            )

    def _report_lost(self, count: int) -> None:
        if count and not self._lost_at_end:
            self._lost_at_end = count
            say(
                logging.ERROR,
                "%d events are lost: they were held in memory for Kafka at %s when the producer"
                " closed",
                count,
                self._settings.kafka_brokers,
            )

    def _memory_waiting(self) -> int:
        memory = [s for s in list(self._own.segments) if isinstance(s, MemorySegment) and s.frames]
        return min(self._own_count(), sum(segment.frames for segment in memory))

    def _send_step(self) -> float:
        self._journal.finish()
        if not self._is_next():
            return _WAIT_FOR_BEFORE_S
        return self._sender.step()

    def _is_next(self) -> bool:
        if self._before is not None and self._before.ended:
            self._before = None
        return self._before is None

    def _send_failed(self, error: BaseException) -> None:
        self._sender.recover()
        self._notices.say(
            logging.ERROR,
            "step",
            "sending failed with %s; all waiting events are sent again",
            type(error).__name__,
        )

    def _tend(self) -> None:
        self._journal.tend()

    def _to_sync(self) -> bool:
        return bool(self._synced_tells) or (self._journal.unsynced() and not self._own.settled())

    def _sync_step(self) -> float:
        if not self._to_sync():
            return _IDLE_S
        if not self._synced_tells:
            pause(self._settings.spool_fsync_ms / 1000)
        # Only the callbacks registered before the sync may be called: their events are in the
        # files that it covers.
        waiting = len(self._synced_tells)
        self._journal.sync()
        for tell in self._synced_tells[:waiting]:
            tell()
        del self._synced_tells[:waiting]
        return 0

    def _sync_failed(self, error: BaseException) -> None:
        self._notices.say(
            logging.ERROR,
            "sync",
            "the spool cannot be synced (%s): events survive the process but not a power cut",
            type(error).__name__,
        )


def _usable_spool(settings: ProducerSettings, notices: Notices) -> Path | None:
    if settings.spool == "memory":
        return None
    try:
        folder = settings.spool_folder()
        if (folder / _FORMER_SPOOL).exists():
            notices.say(
                logging.ERROR,
                "former_spool",
                "%s may hold events of an earlier version, which this version cannot read: send"
                " them with the earlier version, then remove the file",
                folder / _FORMER_SPOOL,
            )
        return folder
    except OSError as error:
        notices.say(
            logging.ERROR,
            "spool_unusable",
            "there is no folder for the spool (%s): events are held in memory and do not survive"
            " this process; set ORGTRAIL_SPOOL_DIR, or ORGTRAIL_SPOOL=memory",
            error,
        )
        return None
