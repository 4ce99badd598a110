"""All of one producer in one process: the journal, the thread that sends, the one that syncs.

A process that was forked gets another one at its first event; the parent's is not touched by it.
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
from orgtrail.delivery.report import OnDelivery
from orgtrail.delivery.segments import MemorySegment
from orgtrail.delivery.sender import Sender
from orgtrail.delivery.status import Counter, Counters, Notices, say
from orgtrail.delivery.worker import Worker
from orgtrail.envelope import seal
from orgtrail.event import Event
from orgtrail.settings import ProducerSettings

_IDLE_S = 1.0
_LAST_WORDS_S = 0.05
_FORMER_SPOOL = "spool.sqlite3"
_LONGEST_WAIT_S = 1_000_000.0
_WAIT_FOR_BEFORE_S = 0.01


class Engine:
    """Takes events and delivers them. ``pid`` is the process that it belongs to."""

    def __init__(
        self,
        settings: ProducerSettings,
        on_delivery: OnDelivery | None,
        before: Engine | None = None,
    ) -> None:
        """``before`` was closed in this process: its events are delivered first."""
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
        self._own = Queue([], Position(), save=self._journal.save, on_damage=self._keep_damage)
        self._sender = Sender(
            self._own,
            spool=spool,
            topic=settings.topic,
            # Of the folder's bound; what is set aside must not fill the disk.
            aside_bytes=settings.spool_megabytes * 1_000_000 // 10,
            connect=partial(KafkaClient, settings),
            tend=self._tend,
            on_delivery=on_delivery,
            notices=self._notices,
            destination=settings.kafka_brokers,
        )
        self._before = before
        if before is None:
            # Now, so that what others left counts as waiting from the beginning. Engines before
            # this one may still hold lanes that are older.
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
        """Start the threads, or try again."""
        self.threads = threads()
        if self.threads is Threads.AFTER_FORK:
            return
        if self.threads is Threads.NO:
            self._notices.say(
                logging.ERROR,
                "no_threads",
                "uWSGI runs without threads, so no event is sent: start it with --enable-threads."
                " Until then events wait in the spool",
            )
            return
        if not self._sending.start() or not (self._sync or self._syncing.start()):
            self._notices.say(
                logging.WARNING,
                "no_threads",
                "no thread can be started, so no event is sent: they wait",
            )

    def put(
        self,
        events: list[Event],
        traceparent: str,
        tell: OnDelivery | None,
    ) -> bool:
        """Take all of the events or none; ``False`` when this engine was closed.

        Raises:
            InvalidEventError: one is too large.
            SpoolFullError, BufferFullError: a bound is reached.
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
            # Before the event can be delivered, which may be at once.
            self._sender.callbacks |= dict.fromkeys(tickets, tell)
        taken = False
        try:
            taken = journal.append(tickets[0], data, sync=self._sync)
        finally:
            if not taken and tell is not None:
                for ticket in tickets:
                    self._sender.callbacks.pop(ticket, None)
        if not taken:
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
        """Whether what is put now survives the process."""
        return self._journal.on_disk

    def tell_when_synced(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` once what was put before survives a power cut."""
        self._synced_tells.append(tell)
        self._syncing.wake()

    def waiting(self) -> int:
        """How many events wait: this process's, and those that it adopted."""
        return self._own_count() + self._sender.adopted.waiting()

    def _own_count(self) -> int:
        if self._ended:
            return self._left
        if self._own.settled():
            return 0
        return max(1, self._accepted.value() - self._sender.own_settled)

    def own_waiting(self) -> bool:
        """Whether an event of this process waits."""
        return self._own_count() > 0

    def counters(self) -> Counters:
        """How the events fared since this process took the first."""
        sender = self._sender
        age = 0.0
        oldest = sender.oldest
        if oldest is not None:
            age = max(0.0, time.time() - oldest / 1000)
        return Counters(
            accepted=self._accepted.value(),
            acknowledged=sender.acknowledged.value(),
            waiting=self.waiting(),
            set_aside=sender.set_aside.value(),
            lost=sender.lost.value(),
            damaged=sender.damaged.value(),
            oldest_waiting_seconds=age,
        )

    @property
    def trouble(self) -> str | None:
        """What keeps events from being delivered, in one line; ``None``: nothing."""
        return self._sender.trouble if self._sending.started else "no thread could be started"

    def flush(self, seconds: float) -> bool:
        """Wait until nothing of this process waits; whether it came to that."""
        if self._sending.is_this_thread():
            return not self.own_waiting()
        deadline = time.monotonic() + seconds
        while self.own_waiting():
            if time.monotonic() >= deadline:
                return False
            self._sending.wake()
            # Of this module's time, which gevent may have replaced: other greenlets go on.
            time.sleep(min(0.005, max(0.0, deadline - time.monotonic())))
        return True

    def close(self, seconds: float) -> int:
        """Deliver what can be within so many seconds; how many events are lost with the memory."""
        seconds = min(max(seconds, 0), _LONGEST_WAIT_S)
        deadline = time.monotonic() + seconds
        if self.threads is Threads.YES:
            self.flush(seconds)
        self._journal.seal(_LAST_WORDS_S)
        self._syncing.stop(0)
        if not self._sending.stop(max(_LAST_WORDS_S, deadline - time.monotonic())):
            # A callback or a disk holds the thread, or this is it: it comes to its end later, and
            # may still deliver some of what waits in memory.
            self._say_lost(self._memory_waiting())
        return self._lost_at_end

    @property
    def ended(self) -> bool:
        """Whether its thread, and those before it, have left everything to others."""
        return self._ended and self._is_next()

    def abandon(self) -> None:
        """In a child of a fork: let go of what belongs to the parent, without touching it."""
        self._journal.abandon()
        self._sender.abandon()

    def _end(self) -> None:
        """The last act of the sending thread: leave what waits to the next process."""
        try:
            # Where a writer is still at it, the lane stays locked until the process ends.
            if self._journal.sealed(_LAST_WORDS_S):
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
        self._say_lost(self._memory_waiting())
        self._journal.leave(empty=False)
        self._own.close()
        if self.threads is not Threads.AFTER_FORK and not self._lost_at_end:
            say(
                logging.WARNING,
                "%d events wait in %s for Kafka at %s: the next process that uses it sends them",
                self._left,
                self._settings.spool_folder(),
                self._settings.kafka_brokers,
            )

    def _say_lost(self, count: int) -> None:
        if count and not self._lost_at_end:
            self._lost_at_end = count
            say(
                logging.ERROR,
                "%d events are lost: they waited in memory for Kafka at %s when the process ended",
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
            "sending failed with %s: everything that waits is sent again",
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
        # What was put before now is in the files that are synced now.
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
            "the spool cannot be synced (%s): events survive the process, not a power cut",
            type(error).__name__,
        )

    def _keep_damage(self, *damage: object) -> None:
        self._sender.keep_damage(*damage)  # type: ignore[arg-type]


def _usable_spool(settings: ProducerSettings, notices: Notices) -> Path | None:
    if settings.spool == "memory":
        return None
    try:
        folder = settings.spool_folder()
        if (folder / _FORMER_SPOOL).exists():
            notices.say(
                logging.ERROR,
                "former_spool",
                "%s may hold events of an earlier version, which this one does not read: send them"
                " with the earlier version, and remove the file",
                folder / _FORMER_SPOOL,
            )
        return folder
    except OSError as error:
        notices.say(
            logging.ERROR,
            "spool_unusable",
            "there is no folder for the spool (%s): events wait in memory and do not survive this"
            " process; set ORGTRAIL_SPOOL_DIR, or ORGTRAIL_SPOOL=memory",
            error,
        )
        return None
