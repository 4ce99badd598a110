"""The SDK's one file that knows confluent-kafka."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orgtrail.envelope import Envelope, headers
from orgtrail.errors import SettingsError, UnreachableError
from orgtrail.settings import ProducerSettings

OnDelivery = Callable[[KafkaError | None, Message], None]

_log = logging.getLogger("orgtrail.kafka")

# Records of children of a fork belong to the parent's threads, which a child does not have:
# destroying the client there waits for them for ever. So it is kept.
_never_destroyed: list[Any] = []


class Verdict(Enum):
    """What an error of Kafka means for a record.

    ``REFUSED``: this record will never be taken. ``OUTAGE``: it may be taken later, by the same
    client or a new one.
    """

    REFUSED = "refused"
    OUTAGE = "outage"


class KafkaClient:
    """An idempotent producer that waits for Kafka as long as it takes."""

    def __init__(self, settings: ProducerSettings, on_error: Callable[[str], None]) -> None:
        """Connects in the background; ``on_error`` hears what keeps it from doing so.

        Raises:
            SettingsError: librdkafka refuses a setting.
        """
        self._topic = settings.topic
        self._producer = _producer(
            {
                **settings.librdkafka(),
                "client.id": f"orgtrail-{settings.service or 'sdk'}",
                "enable.idempotence": True,
                # Without it librdkafka carries on behind records that Kafka refused, and later
                # events of an organization overtake earlier ones.
                "enable.gapless.guarantee": True,
                "acks": "all",
                "compression.type": settings.compression,
                "linger.ms": settings.linger_ms,
                # 0 is for ever: whoever waits is written down, and what fails would lose its place.
                "message.timeout.ms": 0,
                "queue.buffering.max.messages": 100_000,
                "queue.buffering.max.kbytes": 65_536,
                "message.max.bytes": 1_048_588,
                "reconnect.backoff.max.ms": 2_000,
                "topic.metadata.propagation.max.ms": 5_000,
                "topic.metadata.refresh.fast.interval.ms": 500,
                # Java's choice of partition, so that every language sends an organization's
                # events to the same one.
                "partitioner": "murmur2_random",
                "allow.auto.create.topics": False,
                "log_level": 2,
                "error_cb": lambda error: on_error(error.str()),
            }
        )

    def send(self, envelope: Envelope, on_delivery: OnDelivery) -> None:
        """Hand over one record; never blocks.

        Raises:
            BufferError: librdkafka's buffer is full.
            KafkaException: the client cannot take it; ``judge`` says what that means.
        """
        self._producer.produce(
            self._topic,
            envelope.value,
            envelope.key.encode(),
            headers=headers(envelope),
            on_delivery=on_delivery,
        )

    def poll(self, seconds: float) -> None:
        """Run the callbacks that are due, waiting for one at most this long."""
        self._producer.poll(seconds)

    def discard(self) -> None:
        """Give up on what is on its way; it is sent again by another client."""
        # A client that is gapless calls being purged a failure for good.
        with suppress(KafkaException):
            self._producer.purge()
            self._producer.poll(0)

    def abandon(self) -> None:
        """Forget the client in a child of a fork."""
        _never_destroyed.append(self._producer)
        # The list itself is cleared at the end of the interpreter.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))


def judge(error: Any) -> Verdict:
    """What an error means, given a ``KafkaError`` or an exception that holds one."""
    found = error.args[0] if isinstance(error, Exception) and error.args else error
    code = found.code() if isinstance(found, KafkaError) else None
    refused = {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    }
    return Verdict.REFUSED if code in refused else Verdict.OUTAGE


def reason(error: Any) -> str:
    """An error in one line."""
    found = error.args[0] if isinstance(error, Exception) and error.args else error
    text = found.str() if hasattr(found, "str") else str(found)
    name = found.name() if hasattr(found, "name") else type(error).__name__
    return f"{name}: {text}" if text else name


def check(settings: ProducerSettings, seconds: float) -> None:
    """Ask the broker for the topic.

    Raises:
        SettingsError: librdkafka refuses a setting.
        UnreachableError: no broker answers in time, or the topic cannot be used.
    """
    said: list[str] = []
    client = _producer(
        {
            **settings.librdkafka(),
            "allow.auto.create.topics": False,
            "log_level": 0,
            "error_cb": lambda error: said.append(error.str()),
        }
    )
    try:
        found = client.list_topics(settings.topic, timeout=seconds)
    except KafkaException as error:
        client.poll(0)
        why = said[-1] if said else reason(error)
        raise UnreachableError(f"Kafka at {settings.kafka_brokers}: {why}") from None
    topic = found.topics[settings.topic]
    if topic.error is not None:
        raise UnreachableError(
            f"the topic {settings.topic} at {settings.kafka_brokers}: {topic.error.str()}"
            " (orgtrail migrate creates it)"
        )


def _producer(config: dict[str, Any]) -> Any:
    try:
        return Producer(config, logger=_log)
    except KafkaException as error:
        raise SettingsError(reason(error)) from None
