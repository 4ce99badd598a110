"""The worker process: its logs are JSON lines, and it stops in a bounded time."""

import asyncio
import json
import logging
import subprocess
import sys
import threading

import faust
import pytest

from orgtrail_consumers import process

PREPARED = """
import gc, logging, stamina.instrumentation, structlog
import pyarrow as pa
from orgtrail_consumers.process import prepare_process
prepare_process()
structlog.get_logger("orgtrail.consumer").warning("step_failed", step="write")
for _ in range(3):
    logging.getLogger("aiokafka").error("no broker")
logging.getLogger("aiokafka").info("unimportant")
try:
    raise ValueError("alice@x.org")
except ValueError:
    logging.getLogger("faust").exception("crashed")
import warnings
warnings.warn("old")
import threading
def fail():
    raise ValueError("alice@x.org")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
print(gc.get_freeze_count() > 0, gc.get_threshold()[0], pa.default_memory_pool().backend_name,
      len(stamina.instrumentation.get_on_retry_hooks()), flush=True)
raise RuntimeError("bob@x.org")
"""


def test_a_prepared_process_logs_json_lines_on_standard_error_only():
    done = subprocess.run(
        [sys.executable, "-c", PREPARED], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    line, *others = map(json.loads, done.stderr.splitlines())
    assert (line["event"], line["level"], line["step"]) == ("step_failed", "warning", "write")
    assert line["timestamp"].endswith("Z")
    # A client repeats its messages during an outage.
    broker, crashed, warned, thread, uncaught = others
    assert (broker["event"], broker["level"], broker["logger"]) == (
        "no broker",
        "error",
        "aiokafka",
    )
    assert (crashed["event"], crashed["error"].split()[0]) == ("crashed", "ValueError")
    assert "UserWarning: old" in warned["event"]
    assert [one["error"].split()[0] for one in (thread, uncaught)] == ["ValueError", "RuntimeError"]
    assert all(" at <string>:" in one["error"] for one in (crashed, thread, uncaught))
    # The text of an error may hold data of an event.
    assert "@x.org" not in done.stderr
    assert done.returncode == 1
    # Retry hooks would log error messages, which may hold event data.
    assert done.stdout == "True 200000 system 0\n"


def record(message, created, name="aiokafka"):
    made = logging.makeLogRecord({"name": name, "msg": message})
    made.created = created
    return made


def test_a_repeated_message_passes_again_after_a_while():
    passes = process._Repeated().filter
    times = (100.0, 100.1, 109.9, 110.0, 111.0, 120.0)
    assert [passes(record("away", at)) for at in times] == [True, False, False, True, False, True]


def test_messages_differ_by_their_template_and_logger():
    passes = process._Repeated().filter
    given = [record("a", 1e9), record("b", 1e9), record("a", 1e9, "faust"), record("a", 1e9)]
    assert [passes(item) for item in given] == [True, True, True, False]


@pytest.fixture
def exited():
    return threading.Event()


@pytest.fixture
def exits(monkeypatch, exited):
    """The statuses that the process exited with."""
    found = []

    def leave(status):
        found.append(status)
        exited.set()

    monkeypatch.setattr(process.os, "_exit", leave)
    monkeypatch.setattr(process, "STOP_WITHIN_S", 0.05)
    yield found
    # The timer of an orderly shutdown would end this process later.
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def worker(monkeypatch, stop):
    monkeypatch.setattr(faust.Worker, "stop", stop)
    return object.__new__(process.Worker)


async def test_a_shutdown_that_hangs_ends_with_status_one(exits, exited, monkeypatch):
    async def hang(_self):
        await asyncio.to_thread(exited.wait, 10)

    await worker(monkeypatch, hang).stop()
    assert exits == [1]


async def test_an_orderly_shutdown_is_faust_s_own(exits, monkeypatch):
    stopped = []

    async def stop(self):
        stopped.append(self)

    monkeypatch.setattr(process, "STOP_WITHIN_S", 60)
    made = worker(monkeypatch, stop)
    await made.stop()
    assert stopped == [made]
    assert exits == []


def test_the_shutdown_is_shorter_than_docker_waits():
    assert process.STOP_WITHIN_S <= 10


def test_a_worker_leaves_logs_to_the_process_and_writes_no_escape_codes():
    made = process.Worker(faust.App("test", broker="kafka://127.0.0.1:1"))
    assert (made.override_logging, made.redirect_stdouts, made.quiet) == (False, False, True)
    assert made.spinner is None
