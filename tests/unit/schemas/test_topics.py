import pytest

from orgtrail_schemas.limits import MAX_MESSAGE_BYTES
from orgtrail_schemas.topics import DEAD_LETTER_TOPIC, EVENTS_TOPIC, topic_configs

DAY_MS = 24 * 60 * 60 * 1000


@pytest.mark.parametrize("days", [7, 8, 30])
def test_events_are_kept_as_long_as_asked_and_dead_letters_as_long_as_events(days):
    configs = topic_configs(days)
    assert configs[EVENTS_TOPIC]["retention.ms"] == str(days * DAY_MS)
    assert configs[DEAD_LETTER_TOPIC]["retention.ms"] == str(90 * DAY_MS)


@pytest.mark.parametrize("days", [6, 0, -1])
def test_an_outage_of_a_week_must_lose_nothing(days):
    with pytest.raises(ValueError, match="at least 7 days"):
        topic_configs(days)


def test_the_default_is_the_shortest_retention():
    assert topic_configs() == topic_configs(7)


@pytest.mark.parametrize("topic", [EVENTS_TOPIC, DEAD_LETTER_TOPIC])
def test_the_broker_sets_the_time_and_nothing_is_compacted(topic):
    config = topic_configs()[topic]
    assert config["message.timestamp.type"] == "LogAppendTime"
    assert config["cleanup.policy"] == "delete"
    # Kafka takes every value as text.
    assert {type(value) for value in config.values()} == {str}


def test_the_dead_letter_topic_accepts_the_largest_event_with_its_reason():
    sizes = {name: int(config["max.message.bytes"]) for name, config in topic_configs().items()}
    assert sizes[EVENTS_TOPIC] == MAX_MESSAGE_BYTES
    assert sizes[DEAD_LETTER_TOPIC] >= MAX_MESSAGE_BYTES + 10_000
