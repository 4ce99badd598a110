"""The SDK's one file that knows confluent-kafka."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orgtrail.errors import SettingsError
from orgtrail.settings import ProducerSettings

Headers = list[tuple[str, bytes]]
OnDelivery = Callable[[str | None, bytes, bytes, Headers], None]
"""Called once for each message with what went wrong (``None``: acknowledged) and the message."""


class KafkaClient:
    """An idempotent producer: bounded buffer, every in-sync replica acknowledges."""

    def __init__(self, settings: ProducerSettings) -> None:
        """Connects in the background.

        Raises:
            SettingsError: librdkafka refuses a setting.
        """
        self._topic = settings.topic
        try:
            self._producer = Producer(
                {
                    **settings.librdkafka(),
                    "client.id": f"orgtrail-{settings.service or 'sdk'}",
                    "enable.idempotence": True,
                    "acks": "all",
                    "compression.type": settings.compression,
                    "linger.ms": settings.linger_ms,
                    "delivery.timeout.ms": int(settings.delivery_timeout_s * 1000),
                    "queue.buffering.max.messages": settings.buffer_events,
                    "queue.buffering.max.kbytes": settings.buffer_kilobytes,
                    "message.max.bytes": 1_048_588,
                    # Java's choice of partition, so that every language sends an organization's
                    # events to the same one.
                    "partitioner": "murmur2_random",
                    "allow.auto.create.topics": False,
                    "log_level": 2,
                }
            )
        except KafkaException as error:
            raise SettingsError(error.args[0].str()) from None

    def send(self, key: bytes, value: bytes, headers: Headers, on_delivery: OnDelivery) -> None:
        """Put one message into the buffer; never blocks.

        Raises:
            BufferError: the buffer is full.
            ValueError: the message is larger than a message may be.
        """
        try:
            self._producer.produce(
                self._topic,
                value,
                key,
                headers=headers,
                on_delivery=partial(_delivered, on_delivery, key, value, headers),
            )
        except KafkaException as error:
            raise ValueError(error.args[0].str()) from error

    def poll(self, seconds: float) -> None:
        """Run the delivery callbacks that are due, waiting for one at most this long."""
        self._producer.poll(seconds)

    def reachable(self) -> bool:
        """Whether a broker answers within a second. Blocks: not for a request's thread."""
        try:
            self._producer.list_topics(self._topic, timeout=1)
        except KafkaException:
            return False
        return True

    def flush(self, seconds: float) -> int:
        """Wait for the acknowledgements; how many messages are still without one."""
        return int(self._producer.flush(seconds))

    def give_up(self) -> None:
        """Fail what is still waiting: its callbacks run before this returns."""
        self._producer.purge()
        self._producer.flush(5)


def _delivered(
    on_delivery: OnDelivery,
    key: bytes,
    value: bytes,
    headers: Headers,
    error: KafkaError | None,
    _message: Message,
) -> None:
    on_delivery(None if error is None else error.str(), key, value, headers)
