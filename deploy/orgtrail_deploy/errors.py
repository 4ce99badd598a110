"""The error that a command reports to its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from confluent_kafka import KafkaException


class StackError(Exception):
    """The command cannot continue. The message is one line and names the fix."""


def clickhouse_reason(error: Exception) -> str:
    """Why ClickHouse refused or could not be reached, in one line, without the statement."""
    text = str(error)
    if "certificate verify failed" in text:
        # urllib3 wraps it three times.
        _, _, why = text.partition("certificate verify failed")
        return f"certificate verify failed: {why.partition('(_ssl')[0].strip(' :')}"
    for end in ("(for url", "Stack trace", "\n"):
        text = text.partition(end)[0].strip()
    return text[:200]


def kafka_reason(error: KafkaException) -> str:
    """Why Kafka refused or could not be reached. Some answers have a code and no words."""
    text: str = error.args[0].str().strip()
    return f"{text} {error.args[0].name()}" if not text or text.endswith(":") else text
