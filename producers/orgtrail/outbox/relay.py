"""The loop of ``orgtrail relay``: lease, send, settle. Errors do not end it, only ``stop`` does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from orgtrail.delivery.kafka import KafkaClient
from orgtrail.delivery.status import Notices
from orgtrail.outbox.connect import problem
from orgtrail.outbox.flight import Flight
from orgtrail.outbox.store import DatabaseUnavailableError, Row, Store

_SHORTEST_IDLE_S = 0.05
_LONGEST_IDLE_S = 2.0
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 15.0
_NAP_S = 0.1
_SILENT_AFTER_S = 5.0
_GIVE_UP_AFTER_S = 30.0
_STOP_WITHIN_S = 8.0
_CLEAN_EVERY_S = 60.0
_STOPPED = "the relay was stopped"

_log = logging.getLogger("orgtrail")


class Relay:
    """Delivers rows until it is stopped. Every failure is logged and retried with back-off."""

    def __init__(
        self,
        store: Store,
        connect: Callable[[Callable[[str], None]], KafkaClient],
        *,
        batch: int,
        lease_s: float,
        destination: str,
    ) -> None:
        """``connect`` creates a Kafka client; ``destination`` names Kafka in log lines."""
        self._store = store
        self._connect = connect
        self._batch = batch
        self._lease_s = lease_s
        self._destination = destination
        self._notices = Notices(time.monotonic)
        self._client: KafkaClient | None = None
        self._client_error: str | None = None
        self._unsettled: Flight | None = None
        self._alone = False
        self._idle_s = _SHORTEST_IDLE_S
        self._backoff_s = _FIRST_BACKOFF_S
        self._stop_at: float | None = None
        self._clean_at = 0.0
        self._progress_at = self._extend_at = 0.0
        self.delivered = 0
        self.refused = 0
        self.failed = False
        """Whether the last step failed."""

    def stop(self) -> None:
        """Stop after the current batch, within 8 seconds; safe to call in a signal handler."""
        self._stop_at = time.monotonic() + _STOP_WITHIN_S

    def run(self, *, once: bool = False) -> None:
        """Deliver until ``stop``, or with ``once`` until no rows are left or a step fails."""
        while self._stop_at is None:
            pause = self.step()
            if once and pause > 0:
                break
            self._sleep(pause)
        self._end()

    def step(self) -> float:
        """Deliver one batch, if any; return the number of seconds until the next step."""
        try:
            pause = self._step()
        except DatabaseUnavailableError as error:
            self._warn("database", "the outbox cannot be read or written (%s)", problem(error))
            return self._back_off()
        except Exception as error:
            # Last resort: a bug in the relay must not end it.
            _log.exception("the relay failed (%s) and retries", type(error).__name__)
            self._drop_client()
            return self._back_off()
        if self.failed:
            return self._back_off()
        self._backoff_s = _FIRST_BACKOFF_S
        for kind, name in (("database", "the outbox"), ("kafka", "Kafka")):
            if self._notices.clear(kind):
                _log.warning("%s is available again", name)
        return pause

    def _step(self) -> float:
        self.failed = False
        self._settle()
        self._tend()
        rows = self._store.take(self._batch)
        if not rows:
            pause, self._idle_s = self._idle_s, min(self._idle_s * 2, _LONGEST_IDLE_S)
            return pause
        self._idle_s = _SHORTEST_IDLE_S
        self._deliver(rows)
        self._settle()
        return 0

    def _deliver(self, rows: Sequence[Row]) -> None:
        flight = Flight(alone=self._alone)
        self._progress_at = time.monotonic()
        self._extend_at = self._progress_at + self._lease_s / 3
        if self._client is None:
            self._client = self._connect(self._on_client_error)
        try:
            flight.fly(self._client, rows, self._reason_to_stop)
        finally:
            # Keep the result even after an exception, so that acknowledged rows are settled.
            self._unsettled = flight
        self.delivered += len(flight.acknowledged)
        self.refused += len(flight.refused)
        for row in rows:
            if row.position in flight.refused:
                _log.error(
                    "event %s cannot be delivered and stays in the outbox, marked as refused: %s",
                    row.event_id,
                    flight.refused[row.position],
                )
        self._alone = flight.suspected
        if flight.trouble is not None:
            self._drop_client()
            if not flight.suspected and flight.trouble != _STOPPED:
                self.failed = True
                self._warn_kafka(flight.trouble)

    def _reason_to_stop(self, progress: bool) -> str | None:
        """Extend the leases while rows are in flight; return a reason to end the flight, if any."""
        now = time.monotonic()
        if progress:
            self._progress_at = now
        if self._stop_at is not None and now >= self._stop_at:
            return _STOPPED
        if now >= self._extend_at:
            self._extend_at = now + self._lease_s / 3
            try:
                self._store.extend()
            except DatabaseUnavailableError as error:
                self._warn("database", "a lease cannot be extended (%s)", problem(error))
        silent_s = now - self._progress_at
        if silent_s > _SILENT_AFTER_S:
            self._warn_kafka(self._client_error or "no acknowledgement")
        # Giving up releases the leases, so that another relay that can reach Kafka gets the rows.
        return "no acknowledgement" if silent_s > _GIVE_UP_AFTER_S else None

    def _settle(self) -> None:
        if self._unsettled is not None:
            self._store.settle(self._unsettled.acknowledged, self._unsettled.refused)
            self._unsettled = None

    def _tend(self) -> None:
        now = time.monotonic()
        if now < self._clean_at:
            return
        # clean() deletes a limited number of rows, so repeat it until nothing is left to delete.
        more = self._store.clean() > 0
        self._clean_at = now if more else now + _CLEAN_EVERY_S
        other = self._store.other_topic()
        if other is not None:
            self._notices.say(
                logging.WARNING,
                "other_topic",
                "the outbox contains rows for the topic %s, which this relay does not serve: run"
                " another relay with ORGTRAIL_TOPIC set to that topic",
                other,
            )

    def _end(self) -> None:
        try:
            self._settle()
        except DatabaseUnavailableError as error:
            self._warn("database", "delivered rows will be sent again (%s)", problem(error))
        self._drop_client()
        self._store.close()

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.discard()

    def _back_off(self) -> float:
        self.failed = True
        pause, self._backoff_s = self._backoff_s, min(self._backoff_s * 2, _LONGEST_BACKOFF_S)
        return pause

    def _sleep(self, seconds: float) -> None:
        # Sleep in short naps, because time.sleep continues after a signal handler has called stop.
        end = time.monotonic() + seconds
        while self._stop_at is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _NAP_S))

    def _on_client_error(self, text: str) -> None:
        self._client_error = text

    def _warn_kafka(self, why: str) -> None:
        self._warn("kafka", "Kafka at %s does not accept events (%s)", self._destination, why)

    def _warn(self, kind: str, text: str, *values: object) -> None:
        self._notices.say(logging.WARNING, kind, text + "; rows stay in the outbox", *values)
