"""Sends the journal to Kafka, in order. It works in steps, and any step may fail at any point.

The queues are the lanes of dead processes, oldest first, and then this process's own. Records are
read in batches. A batch is settled when Kafka has acknowledged or rejected each of its records, and
settled batches are removed in order. After any failure, everything that is not settled is read and
sent again. Readers deduplicate, so they see a record once even if it was sent twice.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orgtrail.delivery.dead_lanes import Adopted
from orgtrail.delivery.kafka import KafkaClient, Verdict, judge, reason
from orgtrail.delivery.lane import Position
from orgtrail.delivery.queue import Batch, Queue
from orgtrail.delivery.real_threads import pause
from orgtrail.delivery.refusals import Refusals
from orgtrail.delivery.report import Delivery, OnDelivery
from orgtrail.delivery.status import Counter, Notices, say
from orgtrail.envelope import Envelope

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

# Small, because reading a batch holds the interpreter lock and callers of emit wait for that.
_BATCH_EVENTS = 24
_BATCH_BYTES = 64 * 1024
_IN_FLIGHT_EVENTS = 5_000
_IN_FLIGHT_BYTES = 8 * 1024 * 1024
_IN_FLIGHT_BATCHES = 96
_ADOPT_EVERY_S = 1.0
_IDLE_S = 1.0
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 15.0
_SILENT_AFTER_S = 5.0
# While it sends a backlog, the thread releases the interpreter lock every few records. A caller of
# emit then waits microseconds for the lock instead of Python's switch interval of 5 ms.
_YIELD_EVENTS = 12
_YIELD_S = 0.00005
_LAST_POLLS = 10
_LAST_POLL_S = 0.05


class Sender:
    """The steps of the sending thread. Other threads may call only ``ready``."""

    def __init__(
        self,
        own: Queue,
        *,
        spool: Path | None,
        topic: str,
        refusals: Refusals,
        connect: Callable[[Callable[[str], None]], KafkaClient],
        tend: Callable[[], None],
        on_delivery: OnDelivery | None,
        notices: Notices,
        destination: str,
    ) -> None:
        """``connect`` creates a client; ``tend`` maintains the journal and is called often.

        ``destination`` names Kafka in log lines.
        """
        self._own = own
        self._connect = connect
        self._tend = tend
        self._on_delivery = on_delivery
        self._notices = notices
        self._destination = destination
        self.adopted = Adopted(spool, topic, notices, refusals.keep_damage)
        self.refusals = refusals
        self._client: KafkaClient | None = None
        self._in_flight: deque[Batch] = deque()
        self._one_by_one: tuple[Queue, Position] | None = None
        self._adopt_at = 0.0
        self._retry_at = 0.0
        self._failed = False
        self._flying_events = self._flying_bytes = 0
        self._backoff = _FIRST_BACKOFF_S
        self._trouble: str | None = None
        self._last_progress = time.monotonic()
        self.callbacks: dict[int, OnDelivery] = {}
        """The ``on_delivery`` callbacks of single records, by ticket."""
        self.acknowledged = Counter()
        self.own_settled = 0
        self.oldest: int | None = None
        """When the oldest record in flight was accepted, in ms since 1970, or ``None``."""

    @property
    def trouble(self) -> str | None:
        """The current delivery problem in one line, or ``None`` if there is none."""
        return self._trouble

    def ready(self) -> bool:
        """Whether there is something to read and no back-off; checked before the thread sleeps."""
        return self._retry_at <= time.monotonic() and any(q.unread() for q in self._queues())

    def step(self) -> float:
        """Do all work that is due; return the number of seconds until the next step."""
        now = time.monotonic()
        if now >= self._adopt_at:
            self._adopt_at = now + _ADOPT_EVERY_S
            self.adopted.take_over()
            self._tend()
        self.adopted.count_one()
        if now < self._retry_at:
            return min(self._retry_at - now, _ADOPT_EVERY_S)
        sent = self._send()
        self._poll(0.005 if self._in_flight else 0)
        self._settle()
        self._warn_if_silent()
        return 0 if sent or self._in_flight else _IDLE_S

    def recover(self) -> None:
        """After an exception in a step, drop everything in flight; it is read and sent again."""
        self._drop_in_flight()

    def stop(self) -> None:
        """Drop everything in flight and release adopted lanes. All records stay on disk."""
        self._drop_in_flight()
        self.adopted.leave()

    def abandon(self) -> None:
        """In a forked child, drop the client and the files, which belong to the parent."""
        if self._client is not None:
            self._client.abandon()
        self.adopted.abandon()

    def _queues(self) -> list[Queue]:
        """Return the queues to read from, in order."""
        adopted = self.adopted.queues()
        # Older lanes go first, so do not read this process's own while others must be adopted.
        return adopted if self.adopted.more else [*adopted, self._own]

    def _send(self) -> int:
        sent = 0
        while self._in_flight_has_room():
            batch = self._next_batch()
            if batch is None:
                break
            # Set the count before sending, so that no failure below makes a record look settled.
            batch.unsettled = len(batch.envelopes)
            self._in_flight.append(batch)
            if self.oldest is None:
                self.oldest = batch.oldest
            self._flying_events += len(batch.envelopes)
            self._flying_bytes += batch.bytes
            try:
                self._hand_over(batch)
            except Exception as error:
                self._fail(error)
                break
            sent += 1
            if len(batch.envelopes) == _BATCH_EVENTS:
                self._poll(0)
        return sent

    def _in_flight_has_room(self) -> bool:
        if self._one_by_one is not None:
            return not self._in_flight
        return (
            self._flying_events < _IN_FLIGHT_EVENTS
            and self._flying_bytes < _IN_FLIGHT_BYTES
            and len(self._in_flight) < _IN_FLIGHT_BATCHES
        )

    def _poll(self, seconds: float) -> None:
        client = self._client
        if client is None:
            return
        try:
            client.poll(seconds)
        except Exception as error:
            # After a fatal error the client still reports on each record. Poll until the report
            # for the record that caused the error arrives.
            self._trouble = reason(error)
            self._failed = True
            for _ in range(_LAST_POLLS):
                if not self._in_flight or any(batch.refused for batch in self._in_flight):
                    break
                with suppress(Exception):
                    client.poll(_LAST_POLL_S)

    def _next_batch(self) -> Batch | None:
        limit = 1 if self._one_by_one is not None else _BATCH_EVENTS
        for queue in self._queues():
            batch = queue.read(limit, _BATCH_BYTES)
            if batch is not None:
                return batch
        return None

    def _hand_over(self, batch: Batch) -> None:
        if self._client is None:
            self._client = self._connect(self._on_client_error)
        if not any(b is not batch for b in self._in_flight):
            self._last_progress = time.monotonic()
        without_callback = partial(self._on_report, batch)
        own = batch.queue is self._own
        for number, envelope in enumerate(batch.envelopes, 1):
            if number % _YIELD_EVENTS == 0:
                pause(_YIELD_S)
            on_report = without_callback
            # A ticket is unique only in its process, so look callbacks up for own records only.
            if self._on_delivery is not None or (own and envelope.ticket in self.callbacks):
                on_report = partial(self._on_report_with_callback, batch, envelope)
            try:
                self._client.send(envelope, on_report)
            except (ValueError, TypeError, LookupError, ArithmeticError) as error:
                # Not an error from Kafka: this version of the SDK cannot send the record at all.
                batch.unsettled -= 1
                batch.refused.append(f"{type(error).__name__}: {error}")

    def _on_report(self, batch: Batch, error: KafkaError | None, _message: Message) -> None:
        if batch.dropped:
            return
        if error is None:
            batch.unsettled -= 1
        else:
            self._on_failed_report(batch, error)

    def _on_report_with_callback(
        self, batch: Batch, envelope: Envelope, error: KafkaError | None, message: Message
    ) -> None:
        self._on_report(batch, error, message)
        if error is None and not batch.dropped:
            self._run_callbacks(batch, envelope, "acknowledged")

    def _on_failed_report(self, batch: Batch, error: KafkaError) -> None:
        if judge(error) is Verdict.REFUSED:
            batch.unsettled -= 1
            batch.refused.append(reason(error))
        else:
            self._trouble = reason(error)
            self._failed = True

    def _on_client_error(self, text: str) -> None:
        self._trouble = text

    def _settle(self) -> None:
        """Remove settled batches in order; start over after a failure."""
        while self._in_flight and self._in_flight[0].unsettled == 0:
            batch = self._in_flight[0]
            if batch.refused and not self._set_refused_aside(batch):
                return
            self._in_flight.popleft()
            self._complete(batch)
        if self._failed:
            self._start_over()
        if self._in_flight:
            self.oldest = self._in_flight[0].oldest
        else:
            self._tidy()
            # Nothing is in flight, but dropped records may still wait to be sent again. Then keep
            # the age of the oldest.
            if all(queue.settled() for queue in (*self.adopted.queues(), self._own)):
                self.oldest = None

    def _start_over(self) -> None:
        suspect = next((batch for batch in self._in_flight if batch.refused), None)
        if suspect is not None:
            self._one_by_one = (suspect.queue, suspect.end)
            self._drop_in_flight()
        elif self._in_flight:
            self._fail(None)
        else:
            self._drop_in_flight()

    def _complete(self, batch: Batch) -> None:
        batch.queue.acknowledge(batch.end)
        count = len(batch.envelopes)
        for _ in range(count - len(batch.refused)):
            self.acknowledged.add()
        self._flying_events -= count
        self._flying_bytes -= batch.bytes
        if batch.queue is self._own:
            self.own_settled += count
        else:
            self.adopted.settled(batch.queue, count)
        self._last_progress = time.monotonic()
        self._backoff = _FIRST_BACKOFF_S
        self._trouble = None
        if self._notices.clear("unreachable"):
            say(logging.WARNING, "Kafka at %s accepts events again", self._destination)
        if self._one_by_one is not None:
            queue, end = self._one_by_one
            if batch.queue is queue and batch.end >= end:
                self._one_by_one = None

    def _set_refused_aside(self, batch: Batch) -> bool:
        """Set a rejected record aside; return ``False`` if the batch must be sent again first.

        Kafka rejects a whole message set because of one record in it. Only a record that was sent
        alone is known to be the invalid one, so a larger batch is first sent one by one.
        """
        if len(batch.envelopes) > 1:
            self._one_by_one = (batch.queue, batch.end)
            self._drop_in_flight()
            return False
        envelope, why = batch.envelopes[0], batch.refused[0]
        state = self.refusals.keep_record(envelope, why)
        self._run_callbacks(batch, envelope, state, why)
        return True

    def _fail(self, error: Exception | None) -> None:
        """Drop everything in flight. Later, send again from the acknowledged position.

        ``error`` is an exception of ``send``, or ``None`` after a failed delivery report.
        """
        alone = len(self._in_flight) == 1 and len(self._in_flight[0].envelopes) == 1
        if error is not None and judge(error) is Verdict.REFUSED:
            # librdkafka rejects a record immediately if it is larger than the client allows.
            batch = self._in_flight[-1]
            if alone:
                batch.unsettled, batch.refused = 0, [reason(error)]
                return
            self._one_by_one = (batch.queue, batch.end)
            self._drop_in_flight()
            return
        if error is not None:
            self._trouble = reason(error)
        self._retry_at = time.monotonic() + self._backoff
        self._backoff = min(self._backoff * 2, _LONGEST_BACKOFF_S)
        self._drop_in_flight()
        self._warn_unreachable()

    def _drop_in_flight(self) -> None:
        """Drop all batches in flight and rewind the queues, so that they are read again.

        The client is discarded as well. Otherwise it would send its queued records too, twice and
        out of order.
        """
        client, self._client = self._client, None
        for batch in self._in_flight:
            batch.dropped = True
        self._in_flight.clear()
        self._flying_events = self._flying_bytes = 0
        self._failed = False
        for queue in (*self.adopted.queues(), self._own):
            queue.rewind()
        if client is not None:
            client.discard()

    def _tidy(self) -> None:
        self._own.tidy()
        if self.adopted.tidy():
            self._adopt_at = 0

    def _warn_if_silent(self) -> None:
        if self._in_flight and time.monotonic() - self._last_progress > _SILENT_AFTER_S:
            self._trouble = self._trouble or "no acknowledgement"
            self._warn_unreachable()

    def _warn_unreachable(self) -> None:
        self._notices.say(
            logging.WARNING,
            "unreachable",
            "Kafka at %s does not accept events (%s): they stay queued",
            self._destination,
            self._trouble or "no reason given",
        )

    def _run_callbacks(
        self, batch: Batch, envelope: Envelope, state: str, error: str | None = None
    ) -> None:
        delivery = Delivery(envelope.event_id, envelope.key, state, error)
        own = self.callbacks.pop(envelope.ticket, None) if batch.queue is self._own else None
        for callback in (own, self._on_delivery):
            if callback is None:
                continue
            try:
                callback(delivery)
            except BaseException as failure:
                self._notices.say(
                    logging.ERROR,
                    "callback",
                    "on_delivery raised %s; it is still called for later events",
                    type(failure).__name__,
                )
