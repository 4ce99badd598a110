"""A group whose coordinator is moving is asked again; a refusal is one at once."""

from concurrent.futures import Future

import pytest
from confluent_kafka import KafkaError, KafkaException

from orgtrail_deploy import group_offsets as module
from orgtrail_deploy.errors import kafka_reason


def answering(*answers):
    """Each call has the next of them: a code of an error, or a text."""
    left = list(answers)

    def ask():
        future, answer = Future(), left.pop(0)
        if isinstance(answer, int):
            future.set_exception(KafkaException(KafkaError(answer, "ConsumerGroupDescribe: ")))
        else:
            future.set_result(answer)
        return future

    return ask


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)


def test_it_is_asked_again_while_the_coordinator_moves():
    ask = answering(
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        "here",
    )
    assert module.once_coordinated(ask) == "here"


def test_a_refusal_is_not_asked_again():
    with pytest.raises(KafkaException):
        module.once_coordinated(answering(KafkaError.GROUP_AUTHORIZATION_FAILED, "never"))


def test_it_is_not_asked_for_ever(monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", -1)
    ask = answering(KafkaError.NOT_COORDINATOR, "too late")
    with pytest.raises(KafkaException) as raised:
        # The future itself is done: its own time does not matter.
        module.once_coordinated(ask)
    assert kafka_reason(raised.value) == "ConsumerGroupDescribe: NOT_COORDINATOR"


def test_a_reason_in_words_needs_no_code():
    error = KafkaException(KafkaError(KafkaError._TIMED_OUT, "no broker answered"))
    assert kafka_reason(error) == "no broker answered"
