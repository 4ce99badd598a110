"""The Kafka topics: their names, and the configuration that the guarantees depend on."""

from __future__ import annotations

from orgtrail_schemas.limits import MAX_MESSAGE_BYTES, RETENTION_DAYS

EVENTS_TOPIC = "audit.events.v1"
DEAD_LETTER_TOPIC = "audit.events.v1.dlq"
CONSUMER_GROUP = "orgtrail"
"""The group of the consumers, unless an operator names another."""

DAY_MS = 86_400_000

# A dead letter is the record plus three headers. Its topic must accept whatever the events topic
# accepts.
_DEAD_LETTER_ROOM = 64 * 1024


def topic_configs(retention_days: int = 7) -> dict[str, dict[str, str]]:
    """The configuration of both topics, by name.

    ``retention_days`` is how long a consumer outage may last before events are lost; at least 7.
    Dead letters are kept for 90 days, as long as events.

    Raises:
        ValueError: fewer than 7 days.
    """
    if retention_days < 7:
        raise ValueError("the topic must keep records for at least 7 days")
    # LogAppendTime: the time of receipt comes from the broker's clock, not from a producer's.
    common = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}
    return {
        EVENTS_TOPIC: common
        | {
            "retention.ms": str(retention_days * DAY_MS),
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        },
        DEAD_LETTER_TOPIC: common
        | {
            "retention.ms": str(RETENTION_DAYS * DAY_MS),
            "max.message.bytes": str(MAX_MESSAGE_BYTES + _DEAD_LETTER_ROOM),
        },
    }
