"""Sends a batch of rows to Kafka and collects which ones were acknowledged or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from orgtrail.delivery.kafka import KafkaClient, Verdict, judge, reason
from orgtrail.outbox.store import Row

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

_POLL_S = 0.05
_LAST_POLLS = 10
_NOT_OURS = "the row was not written by the SDK"


class Flight:
    """The outcome of one batch. Rows neither acknowledged nor refused must be sent again later."""

    def __init__(self, *, alone: bool) -> None:
        """``alone`` sends one row at a time.

        Kafka rejects a whole message set because of one record in it. Only a record that was sent
        alone is known to be the invalid one.
        """
        self.acknowledged: list[int] = []
        self.refused: dict[int, str] = {}
        self.trouble: str | None = None
        """The reason for an early end, in one line. The client must then be discarded."""
        self.suspected = False
        """Whether Kafka rejected a record. The next flight must then be ``alone``."""
        self._alone = alone
        self._open = 0
        self._failed = self._over = False

    def fly(
        self, client: KafkaClient, rows: Sequence[Row], go_on: Callable[[bool], str | None]
    ) -> None:
        """Send rows in order and wait for the delivery report of each.

        ``go_on`` is called repeatedly while waiting. Its argument is whether a report has arrived
        since the last call. If it returns a reason, the flight ends with it.
        """
        for row in rows:
            if self.trouble is not None:
                break
            self._hand_over(client, row, go_on)
            if self._alone:
                self._wait_for_all(client, go_on)
        self._wait_for_all(client, go_on)
        if self._failed:
            # After a fatal error the client still reports on each record. Poll until the report
            # for the record that caused the error arrives.
            for _ in range(_LAST_POLLS):
                if not self._open or self.suspected:
                    break
                with suppress(Exception):
                    client.poll(_POLL_S)
        self._over = True

    def _wait_for_all(self, client: KafkaClient, go_on: Callable[[bool], str | None]) -> None:
        while self._open and self.trouble is None:
            self._wait(client, go_on)

    def _hand_over(
        self, client: KafkaClient, row: Row, go_on: Callable[[bool], str | None]
    ) -> None:
        if row.envelope is None:
            self.refused[row.position] = _NOT_OURS
            return
        while self.trouble is None:
            try:
                client.send(row.envelope, partial(self._told, row))
            except BufferError:
                self._wait(client, go_on)
                continue
            except Exception as error:
                self._not_taken(row, error)
                return
            self._open += 1
            self._poll(client, 0)
            return

    def _not_taken(self, row: Row, error: Exception) -> None:
        from confluent_kafka import KafkaException

        if not isinstance(error, KafkaException):
            self.refused[row.position] = f"{_NOT_OURS} ({type(error).__name__})"
        elif judge(error) is Verdict.REFUSED:
            self.refused[row.position] = reason(error)
        else:
            self._fail(reason(error))

    def _wait(self, client: KafkaClient, go_on: Callable[[bool], str | None]) -> None:
        before = self._open
        self._poll(client, _POLL_S)
        if self.trouble is None:
            self.trouble = go_on(self._open < before)

    def _poll(self, client: KafkaClient, seconds: float) -> None:
        try:
            client.poll(seconds)
        except Exception as error:
            self._fail(reason(error))

    def _fail(self, why: str) -> None:
        self._failed = True
        self.trouble = self.trouble or why

    def _told(self, row: Row, error: KafkaError | None, _message: Message) -> None:
        if self._over:
            return
        self._open -= 1
        if error is None:
            self.acknowledged.append(row.position)
            return
        self._fail(reason(error))
        if judge(error) is Verdict.REFUSED:
            self.suspected = True
            if self._alone:
                self.refused[row.position] = reason(error)
