"""Sends dead letters to the events topic again, with their original content."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orgtrail_consumers.dead_letters.producer import MAX_LETTER_BYTES
from orgtrail_consumers.dead_letters.reader import DeadLetter
from orgtrail_consumers.settings import ConsumerSettings

_FLUSH_EVERY = 10_000
_log = logging.getLogger("orgtrail.replay")
_log.addHandler(logging.NullHandler())


def replay(
    settings: ConsumerSettings, letters: Iterable[DeadLetter], progress: Callable[[int], None]
) -> int:
    """Send each letter with its original key, value and headers; return how many were sent.

    Replaying twice is harmless, because a record that is already stored results in the same row.
    A record that still cannot be stored is dead-lettered again.

    Raises:
        KafkaException: Kafka rejected some letters, or did not answer. The others are sent.
    """
    producer = Producer(
        {
            **settings.librdkafka(),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            # A record that arrived compressed may exceed the topic's limit without compression.
            "compression.type": "zstd",
            "message.max.bytes": MAX_LETTER_BYTES,
            "allow.auto.create.topics": False,
            "log_level": 2,
            # The command tells of an error itself.
            "logger": _log,
        }
    )
    sent = 0
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    def produce(letter: DeadLetter) -> None:
        producer.produce(
            settings.topic,
            letter.value,
            letter.key,
            headers=list(letter.headers),
            on_delivery=delivered,
        )

    def flush() -> None:
        if producer.flush(60):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    for letter in letters:
        try:
            try:
                produce(letter)
            except BufferError:
                flush()
                produce(letter)
        except KafkaException as error:
            if error.args[0].code() == KafkaError._TIMED_OUT:
                raise
            failures.append(error.args[0])
        producer.poll(0)
        sent += 1
        if sent % _FLUSH_EVERY == 0:
            flush()
            progress(sent - len(failures))
    flush()
    if failures:
        raise KafkaException(failures[0])
    progress(sent)
    return sent
