import sys

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.process import Child


def child(tmp_path, code):
    return Child("the child", [sys.executable, "-c", code], log=tmp_path / "log")


def test_a_child_that_ends_while_starting_says_why(tmp_path):
    with pytest.raises(StackError, match="the child ended while starting: no luck"):
        child(tmp_path, "print('no luck')").wait_until(lambda: False, 10)


def test_a_child_that_is_never_ready_is_given_up(tmp_path):
    slow = child(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(StackError, match="not ready"):
        slow.wait_until(lambda: False, 0.2)
    slow.stop()
    assert not slow.running


def test_a_child_that_ignores_the_request_is_made_to_end(tmp_path):
    deaf = child(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
    )
    deaf.wait_until(lambda: "up" in deaf.log.read_text(), 10)
    deaf.stop(0.2)
    assert not deaf.running


def test_a_child_that_ended_is_started_again_with_its_last_words(tmp_path):
    made = child(tmp_path, "print('no luck'); raise SystemExit(7)")
    made.wait_until(lambda: "no luck" in made.log.read_text(), 10)
    made._process.wait(10)
    for _ in range(3):
        line = made.revive()
        assert line.startswith("the child ended (status 7): no luck (see ")
        assert line.endswith("It is started again.")
        made._process.wait(10)
    with pytest.raises(StackError, match=r"no luck .*started again 3 times in vain$"):
        made.revive()


def test_a_child_that_runs_is_left_alone(tmp_path):
    made = child(tmp_path, "import time; time.sleep(60)")
    pid = made.pid
    assert made.revive() is None
    assert made.pid == pid
    made.stop()
