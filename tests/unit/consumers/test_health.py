import pytest

from orgtrail_consumers.health import SLOW_AFTER_S, Health


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


def test_a_step_that_takes_too_long_is_a_reason_only_while_it_runs():
    clock = [100.0]
    health = Health(lambda: clock[0])
    with health.running("write"):
        clock[0] += SLOW_AFTER_S
        assert health.reasons == []
        clock[0] += 1
        assert health.reasons == [f"write: no answer for {SLOW_AFTER_S + 1:.0f} s"]
    assert health.reasons == []


def test_the_slowest_of_two_batches_counts_and_a_failure_says_more():
    clock = [0.0]
    health = Health(lambda: clock[0])
    with health.running("write"):
        clock[0] += SLOW_AFTER_S
        with health.running("write"):
            clock[0] += 5
            assert health.reasons == [f"write: no answer for {SLOW_AFTER_S + 5:.0f} s"]
        health.failed("write", "OSError")
        assert health.reasons == ["write: OSError"]


def test_a_step_that_raised_is_not_running_any_more():
    clock = [0.0]
    health = Health(lambda: clock[0])
    with pytest.raises(OSError, match="away"), health.running("write"):
        raise OSError("away")
    clock[0] += SLOW_AFTER_S * 2
    assert health.reasons == []
