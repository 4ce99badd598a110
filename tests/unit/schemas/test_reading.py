"""Structs are read by several threads of one process, also when it has only begun."""

import os
import subprocess
import sys
import threading

import msgspec
import pytest

from orgtrail_schemas import reading

AT_ONCE = """
import sys, threading
from orgtrail_schemas.access import access
from orgtrail_schemas.catalogue import SHIPPED, read_catalogue
from orgtrail_schemas.kafka_acls import processes
from orgtrail_schemas.tables import event_columns

sys.setswitchinterval(1e-6)
reads = [lambda: read_catalogue(SHIPPED), access, processes, event_columns] * 4
start = threading.Barrier(len(reads))

def read(ask):
    start.wait()
    ask()

threads = [threading.Thread(target=read, args=[ask]) for ask in reads]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_read_the_same_for_the_first_time_at_once_do_not_end_the_process():
    """A consumer's two first batches did."""
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", AT_ONCE],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


class Point(msgspec.Struct):
    x: int


def test_each_format_is_read_as_the_struct():
    assert reading.convert({"x": 1}, Point) == Point(1)
    assert reading.convert({"x": "1"}, Point, strict=False) == Point(1)
    assert reading.read_json('{"x": 1}', Point) == Point(1)
    assert reading.read_toml("x = 1", Point) == Point(1)


def test_what_does_not_fit_is_refused_and_holds_up_nobody():
    for _ in range(2):
        with pytest.raises(msgspec.ValidationError):
            reading.read_json('{"x": "one"}', Point)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_wait_for_a_thread_that_it_does_not_have():
    with reading._turn:
        child = os.fork()
        if child == 0:
            threading.Timer(10, os._exit, [1]).start()
            os._exit(0 if reading.convert({"x": 1}, Point) == Point(1) else 2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
