"""The Kafka client. Only this file of the SDK imports confluent-kafka."""

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
from orgtrail_schemas.limits import MAX_MESSAGE_BYTES

OnDelivery = Callable[[KafkaError | None, Message], None]

_log = logging.getLogger("orgtrail.kafka")

# Clients that a forked child inherited. Destroying one waits for its threads, which exist only in
# the parent, so it would wait forever. They are kept alive instead.
_never_destroyed: list[Any] = []


class Verdict(Enum):
    """The meaning of a Kafka error for a record.

    ``REFUSED``: Kafka will never accept this record. ``OUTAGE``: a retry may succeed, with the same
    client or a new one.
    """

    REFUSED = "refused"
    OUTAGE = "outage"


class KafkaClient:
    """An idempotent producer whose records never time out."""

    def __init__(self, settings: ProducerSettings, on_error: Callable[[str], None]) -> None:
        """Connect in the background; ``on_error`` is called with connection errors.

        Raises:
            SettingsError: librdkafka rejects a setting.
        """
        self._topic = settings.topic
        self._producer = _producer(
            {
                **settings.librdkafka(),
                "client.id": f"orgtrail-{settings.service or 'sdk'}",
                "enable.idempotence": True,
                # Without this, librdkafka continues after a rejected record, and later events of
                # an organization overtake the earlier ones that are sent again.
                "enable.gapless.guarantee": True,
                "acks": "all",
                "compression.type": settings.compression,
                "linger.ms": settings.linger_ms,
                # 0 means no timeout. Records are on disk, and a record that timed out would lose
                # its place in the order.
                "message.timeout.ms": 0,
                "queue.buffering.max.messages": 100_000,
                "queue.buffering.max.kbytes": 65_536,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "reconnect.backoff.max.ms": 2_000,
                "topic.metadata.propagation.max.ms": 5_000,
                "topic.metadata.refresh.fast.interval.ms": 500,
                # The Java client's partitioner, so that every language sends an organization's
                # events to the same partition.
                "partitioner": "murmur2_random",
                "allow.auto.create.topics": False,
                "log_level": 2,
                "error_cb": lambda error: on_error(error.str()),
            }
        )

    def send(self, envelope: Envelope, on_delivery: OnDelivery) -> None:
        """Queue one record in librdkafka; never blocks.

        Raises:
            BufferError: librdkafka's buffer is full.
            KafkaException: the client rejects the record; ``judge`` classifies the error.
        """
        self._producer.produce(
            self._topic,
            envelope.value,
            envelope.key.encode(),
            headers=headers(envelope),
            on_delivery=on_delivery,
        )

    def poll(self, seconds: float) -> None:
        """Run pending callbacks, waiting up to ``seconds`` for the first."""
        self._producer.poll(seconds)

    def discard(self) -> None:
        """Drop the records in flight. Another client sends them again."""
        # With enable.gapless.guarantee, a purge is a fatal error for the client.
        with suppress(KafkaException):
            self._producer.purge()
            self._producer.poll(0)

    def abandon(self) -> None:
        """Keep the inherited client alive in a forked child, without using it."""
        _never_destroyed.append(self._producer)
        # Leak a reference: the interpreter clears the list when it exits.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))


def judge(error: Any) -> Verdict:
    """Classify an error, given a ``KafkaError`` or an exception that contains one."""
    cause = error.args[0] if isinstance(error, Exception) and error.args else error
    code = cause.code() if isinstance(cause, KafkaError) else None
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
    """Format an error in one line."""
    cause = error.args[0] if isinstance(error, Exception) and error.args else error
    text = cause.str() if hasattr(cause, "str") else str(cause)
    name = cause.name() if hasattr(cause, "name") else type(error).__name__
    if _is_refusal(cause):
        return f"{name}: the Kafka user lacks Write on the topic"
    return f"{name}: {text}" if text else name


def _is_refusal(error: Any) -> bool:
    return isinstance(error, KafkaError) and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def check(settings: ProducerSettings, seconds: float) -> None:
    """Check that a broker is reachable and the topic exists.

    Raises:
        SettingsError: librdkafka rejects a setting.
        UnreachableError: no broker answers within ``seconds``, or the topic is unusable.
    """
    errors: list[str] = []
    client = _producer(
        {
            **settings.librdkafka(),
            "allow.auto.create.topics": False,
            "log_level": 0,
            "error_cb": lambda error: errors.append(error.str()),
        }
    )
    try:
        metadata = client.list_topics(settings.topic, timeout=seconds)
    except KafkaException as error:
        client.poll(0)
        why = errors[-1] if errors else reason(error)
        raise UnreachableError(f"Kafka at {settings.kafka_brokers}: {why}") from None
    topic = metadata.topics[settings.topic]
    if topic.error is not None:
        where = f"the topic {settings.topic} at {settings.kafka_brokers}"
        if _is_refusal(topic.error):
            raise UnreachableError(f"{where}: the Kafka user lacks Write on it")
        raise UnreachableError(f"{where}: {topic.error.str()} (orgtrail migrate creates it)")


def _producer(config: dict[str, Any]) -> Any:
    try:
        return Producer(config, logger=_log)
    except KafkaException as error:
        raise SettingsError(reason(error)) from None
