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
