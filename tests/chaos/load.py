"""A service that keeps emitting, and remembers what Kafka acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from confluent_kafka import Producer
from tests.benchmarks.workload import Message, messages

from orgtrail_schemas.topics import EVENTS_TOPIC

Key = tuple[str, str]
"""Organization and event id."""


class Place(NamedTuple):
    """Where a record lies."""

    partition: int
    offset: int


def key_of(message: Message) -> Key:
    return message.key.decode(), message.value[11:47].decode()


class Load:
    """Sends events at a rate until it is stopped; use as a context."""

    def __init__(self, brokers: str, rate: int, partitions: int = 4) -> None:
        self.values: dict[Key, bytes] = {}
        self.places: dict[Key, list[Place]] = {}
        self._rate = rate
        self._partitions = partitions
        self._done = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                # What is sent during an outage of ten minutes waits in the producer.
                "message.timeout.ms": 1_800_000,
                "queue.buffering.max.messages": 1_000_000,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run)
        self.failed: list[str] = []

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more; on return all that was sent is acknowledged."""
        if not self._done.is_set():
            self._done.set()
            self._thread.join()
            left = self._producer.flush(120)
            assert left == 0, f"{left} not acknowledged"
            assert not self.failed, self.failed[:3]

    def send(self, message: Message, partition: int) -> None:
        key = key_of(message)
        self.values.setdefault(key, message.value)

        def delivered(error: Any, record: Any) -> None:
            if error is not None:
                self.failed.append(str(error))
            else:
                place = Place(record.partition(), record.offset())
                self.places.setdefault(key, []).append(place)

        self._producer.produce(
            EVENTS_TOPIC, message.value, message.key, partition=partition, on_delivery=delivered
        )

    def send_bad(self, message: Message, partition: int) -> None:
        """Send what cannot be stored: nobody will ask where it is."""
        self._producer.produce(EVENTS_TOPIC, message.value, message.key, partition=partition)

    def flush(self) -> None:
        assert self._producer.flush(120) == 0

    def _run(self) -> None:
        made = self._endless()
        began, sent = time.monotonic(), 0
        while not self._done.is_set():
            due = int((time.monotonic() - began) * self._rate)
            while sent < due and not self._done.is_set():
                try:
                    self.send(next(made), sent % self._partitions)
                    sent += 1
                except BufferError:
                    break
            self._producer.poll(0.02)

    def _endless(self) -> Iterator[Message]:
        while True:
            yield from messages(100_000, datetime.now(UTC))
