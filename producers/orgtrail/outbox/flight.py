"""Rows on their way to Kafka, until each is acknowledged, refused, or must be sent again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from orgtrail.delivery.kafka import KafkaClient, Verdict, judge, reason
from orgtrail.outbox.store import Row

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

_POLL_S = 0.05
_NOT_OURS = "not a row of the SDK"


class Flight:
    """What became of some rows. Rows that are in no part of it are sent again, later."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.refused: dict[int, str] = {}
        self.trouble: str | None = None
        """What ended it early, in one line."""
        self._suspects: list[Row] = []
        self._why = ""
        self._open = 0
        self._over = False

    def fly(
        self, client: KafkaClient, rows: Sequence[Row], go_on: Callable[[bool], str | None]
    ) -> None:
        """Send rows in order and wait for Kafka's word on each.

        ``go_on`` is asked again and again, with whether something was acknowledged since; what it
        returns ends the flight. After a trouble the client must be discarded.
        """
        self._send(client, rows, go_on)
        # Kafka refuses a whole set of records for one of them, which may have been of any
        # organization: only what is refused alone is the one.
        suspects, self._suspects = sorted(self._suspects), []
        for row in suspects:
            if self.trouble is not None:
                break
            self._send(client, [row], go_on)
            for _ in self._suspects:
                self.refused[row.position] = self._why
            self._suspects = []
        self._over = True

    def _send(
        self, client: KafkaClient, rows: Sequence[Row], go_on: Callable[[bool], str | None]
    ) -> None:
        for row in rows:
            if self.trouble is not None:
                return
            self._hand_over(client, row, go_on)
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
            client.poll(0)
            return

    def _not_taken(self, row: Row, error: Exception) -> None:
        from confluent_kafka import KafkaException

        if not isinstance(error, KafkaException):
            self.refused[row.position] = f"{_NOT_OURS} ({type(error).__name__})"
        elif judge(error) is Verdict.REFUSED:
            self.refused[row.position] = reason(error)
        else:
            self.trouble = reason(error)

    def _wait(self, client: KafkaClient, go_on: Callable[[bool], str | None]) -> None:
        before = self._open
        client.poll(_POLL_S)
        if self.trouble is None:
            self.trouble = go_on(self._open < before)

    def _told(self, row: Row, error: KafkaError | None, _message: Message) -> None:
        if self._over:
            return
        self._open -= 1
        if error is None:
            self.acknowledged.append(row.position)
        elif judge(error) is Verdict.REFUSED:
            self._why = reason(error)
            self._suspects.append(row)
        else:
            self.trouble = reason(error)
