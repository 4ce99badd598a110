import pytest

from orgtrail_consumers.health import Health


@pytest.fixture
def health():
    return Health()


def test_a_worker_is_ready_until_a_step_fails(health):
    assert health.reasons == []
    health.failed("write", "OSError")
    assert health.reasons == ["write: OSError"]


def test_only_the_step_that_failed_makes_the_worker_ready_again(health):
    health.failed("write", "OSError")
    health.succeeded("decode")
    assert health.reasons
    health.succeeded("write")
    assert health.reasons == []


def test_each_failing_step_has_its_latest_reason_in_a_stable_order(health):
    for step, reason in (("write", "a"), ("Kafka", "no answer for 6 s"), ("write", "b")):
        health.failed(step, reason)
    assert health.reasons == ["Kafka: no answer for 6 s", "write: b"]
