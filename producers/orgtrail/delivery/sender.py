"""Drains the journal to Kafka, in order: one step at a time, each of which may fail anywhere.

The queues are the lanes of dead processes, oldest first, and then this process's own. Records are
read in batches; a batch is settled when Kafka has acknowledged or refused each of its records, and
forgotten in order. After any failure everything that is not settled is read and sent again: a
reader sees a record once, however often it was sent.
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

from orgtrail.delivery.adopted import Adopted
from orgtrail.delivery.aside import Refused, set_damage_aside, set_refused_aside
from orgtrail.delivery.kafka import KafkaClient, Verdict, judge, reason
from orgtrail.delivery.lane import Position
from orgtrail.delivery.queue import Batch, Queue
from orgtrail.delivery.real_threads import pause
from orgtrail.delivery.report import Delivery, OnDelivery
from orgtrail.delivery.segments import Segment
from orgtrail.delivery.status import Counter, Notices, say
from orgtrail.envelope import Envelope

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

# Small, since reading a batch holds the interpreter: a caller of emit waits for it.
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
# While a backlog drains, the thread lets go of the interpreter between batches, so that a caller of
# emit waits microseconds for it and not Python's switch interval of 5 ms.
_BREATH_S = 0.0001
_LAST_POLLS = 10
_LAST_POLL_S = 0.05


class Sender:
    """The steps of the sending thread. Nothing here is called from another thread but ``ready``."""

    def __init__(
        self,
        own: Queue,
        *,
        spool: Path | None,
        topic: str,
        aside_bytes: int,
        connect: Callable[[Callable[[str], None]], KafkaClient],
        tend: Callable[[], None],
        on_delivery: OnDelivery | None,
        notices: Notices,
        destination: str,
    ) -> None:
        """``connect`` makes a client; ``tend`` looks after the journal; the rest is told to.

        ``aside_bytes`` bounds what is set aside.
        """
        self._own = own
        self._spool = spool
        self._topic = topic
        self._aside_bytes = aside_bytes
        self._connect = connect
        self._tend = tend
        self._on_delivery = on_delivery
        self._notices = notices
        self._destination = destination
        self.adopted = Adopted(spool, topic, notices, self.keep_damage)
        self._damage: set[str] = set()
        self._client: KafkaClient | None = None
        self._in_flight: deque[Batch] = deque()
        self._one_by_one: tuple[Queue, Position] | None = None
        self._adopt_at = 0.0
        self._retry_at = 0.0
        self._failed = False
        self._flying_events = self._flying_bytes = 0
        self._backoff = _FIRST_BACKOFF_S
        self._trouble: str | None = None
        self._last_heard = time.monotonic()
        self.callbacks: dict[int, OnDelivery] = {}
        """Who wants to know about a single record, by its ticket."""
        self.acknowledged = Counter()
        self.set_aside = Counter()
        self.lost = Counter()
        self.damaged = Counter()
        self.own_settled = 0
        self.oldest: int | None = None
        """When the oldest record in flight was accepted, in ms since 1970; None: none is."""

    @property
    def trouble(self) -> str | None:
        """What keeps records from being delivered, in one line."""
        return self._trouble

    def ready(self) -> bool:
        """Whether there is something to read; asked by the thread before it sleeps."""
        return self._retry_at <= time.monotonic() and any(q.unread() for q in self._queues())

    def step(self) -> float:
        """Do what can be done now; how many seconds nothing needs to be done, 0 for none."""
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
        self._say_silence()
        return 0 if sent or self._in_flight else _IDLE_S

    def keep_damage(self, segment: Segment, offset: int, data: bytes) -> None:
        """Bytes that are no record are kept for somebody to look at, and counted."""
        path = getattr(segment, "path", Path("memory"))
        name = f"{path.parent.name}-{path.stem}-{offset}"
        if name in self._damage:
            return  # Read again after a failure.
        self._damage.add(name)
        self.damaged.add()
        place: object = "memory"
        if self._spool is not None:
            try:
                place = set_damage_aside(self._spool, name, data, self._aside_bytes)
            except OSError as error:
                place = error.strerror
        say(logging.ERROR, "%d bytes of the spool are damaged: %s", len(data), place)

    def recover(self) -> None:
        """After an exception anywhere in a step: nothing that was begun counts."""
        self._drop_in_flight()

    def stop(self) -> None:
        """Give up what is on its way and the lanes of others; all of it stays where it is."""
        self._drop_in_flight()
        self.adopted.leave()

    def abandon(self) -> None:
        """In a child of a fork: forget the client and the files, which are the parent's."""
        if self._client is not None:
            self._client.abandon()
        self.adopted.abandon()

    def _queues(self) -> list[Queue]:
        """What to read from, in this order."""
        found = self.adopted.queues()
        return found if self.adopted.more else [*found, self._own]

    def _send(self) -> int:
        sent = 0
        while self._in_flight_has_room():
            batch = self._next_batch()
            if batch is None:
                break
            # None of them counts as settled before Kafka has said so, whatever fails below.
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
                pause(_BREATH_S)
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
            # A client that has failed for good tells what became of each record, the one that made
            # it fail among them.
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
            self._client = self._connect(self._hear_error)
        if not any(b is not batch for b in self._in_flight):
            self._last_heard = time.monotonic()
        settled = partial(self._one_settled, batch)
        own = batch.queue is self._own
        for envelope in batch.envelopes:
            told = settled
            # Tickets are numbers of one process: those of another say nothing here.
            if self._on_delivery is not None or (own and envelope.ticket in self.callbacks):
                told = partial(self._one_settled_and_told, batch, envelope)
            try:
                self._client.send(envelope, told)
            except (ValueError, TypeError, LookupError, ArithmeticError) as error:
                # Not Kafka refuses it, but this version cannot even send it.
                batch.unsettled -= 1
                batch.refused.append(f"{type(error).__name__}: {error}")

    def _one_settled(self, batch: Batch, error: KafkaError | None, _message: Message) -> None:
        if batch.dropped:
            return
        if error is None:
            batch.unsettled -= 1
        else:
            self._hear_failure(batch, error)

    def _one_settled_and_told(
        self, batch: Batch, envelope: Envelope, error: KafkaError | None, message: Message
    ) -> None:
        self._one_settled(batch, error, message)
        if error is None and not batch.dropped:
            self._tell(batch, envelope, "acknowledged")

    def _hear_failure(self, batch: Batch, error: KafkaError) -> None:
        if judge(error) is Verdict.REFUSED:
            batch.unsettled -= 1
            batch.refused.append(reason(error))
        else:
            self._trouble = reason(error)
            self._failed = True

    def _hear_error(self, text: str) -> None:
        self._trouble = text

    def _settle(self) -> None:
        """Forget what was settled, in order; begin again after a failure."""
        while self._in_flight and self._in_flight[0].unsettled == 0:
            batch = self._in_flight[0]
            if batch.refused and not self._set_refused_aside(batch):
                return
            self._in_flight.popleft()
            self._forget(batch)
        if self._failed:
            self._begin_again()
        if self._in_flight:
            self.oldest = self._in_flight[0].oldest
        else:
            self._tidy()
            # What was dropped to be sent again waits on.
            if all(queue.settled() for queue in (*self.adopted.queues(), self._own)):
                self.oldest = None

    def _begin_again(self) -> None:
        suspect = next((batch for batch in self._in_flight if batch.refused), None)
        if suspect is not None:
            self._one_by_one = (suspect.queue, suspect.end)
            self._drop_in_flight()
        elif self._in_flight:
            self._fail(None)
        else:
            self._drop_in_flight()

    def _forget(self, batch: Batch) -> None:
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
        self._last_heard = time.monotonic()
        self._backoff = _FIRST_BACKOFF_S
        self._trouble = None
        if self._notices.clear("unreachable"):
            say(logging.WARNING, "Kafka at %s takes events again", self._destination)
        if self._one_by_one is not None:
            queue, end = self._one_by_one
            if batch.queue is queue and batch.end >= end:
                self._one_by_one = None

    def _set_refused_aside(self, batch: Batch) -> bool:
        """Put a refused record aside; ``False`` when the batch must be sent one by one first.

        Kafka refuses a whole message set for one record of it: only a record that was sent alone is
        known to be the one.
        """
        if len(batch.envelopes) > 1:
            self._one_by_one = (batch.queue, batch.end)
            self._drop_in_flight()
            return False
        envelope, why = batch.envelopes[0], batch.refused[0]
        if self._spool is None:
            self.lost.add()
            say(logging.ERROR, "event %s is lost: Kafka refuses it (%s)", envelope.event_id, why)
            self._tell(batch, envelope, "lost", why)
            return True
        try:
            set_refused_aside(self._spool, Refused(_now_ms(), why, envelope), self._aside_bytes)
        except OSError as error:
            self.lost.add()
            say(
                logging.ERROR,
                "event %s is lost: Kafka refuses it (%s), and it cannot be set aside (%s)",
                envelope.event_id,
                why,
                error.strerror,
            )
            self._tell(batch, envelope, "lost", why)
            return True
        self.set_aside.add()
        say(
            logging.ERROR,
            "event %s was set aside: Kafka refuses it (%s); see: orgtrail spool list",
            envelope.event_id,
            why,
        )
        self._tell(batch, envelope, "set_aside", why)
        return True

    def _fail(self, error: Exception | None) -> None:
        """Begin again, later, with another client and from what was acknowledged."""
        alone = len(self._in_flight) == 1 and len(self._in_flight[0].envelopes) == 1
        if error is not None and judge(error) is Verdict.REFUSED:
            # librdkafka refuses a record at once when it is larger than the client allows.
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
        self._say_unreachable()

    def _drop_in_flight(self) -> None:
        """Give up what is on its way: it is read again.

        The client goes with it, since what it holds would be sent twice and out of order.
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

    def _say_silence(self) -> None:
        if self._in_flight and time.monotonic() - self._last_heard > _SILENT_AFTER_S:
            self._trouble = self._trouble or "no acknowledgement"
            self._say_unreachable()

    def _say_unreachable(self) -> None:
        self._notices.say(
            logging.WARNING,
            "unreachable",
            "Kafka at %s does not take events (%s): they wait",
            self._destination,
            self._trouble or "no reason given",
        )

    def _tell(self, batch: Batch, envelope: Envelope, state: str, error: str | None = None) -> None:
        told = Delivery(envelope.event_id, envelope.key, state, error)
        own = self.callbacks.pop(envelope.ticket, None) if batch.queue is self._own else None
        for tell in (own, self._on_delivery):
            if tell is None:
                continue
            try:
                tell(told)
            except BaseException as failure:
                self._notices.say(
                    logging.ERROR,
                    "callback",
                    "on_delivery raised %s: it is called again for the next event",
                    type(failure).__name__,
                )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
