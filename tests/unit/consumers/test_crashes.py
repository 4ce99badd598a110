"""A record that ends the process is found, and the log says how to skip it."""

import json
import subprocess
import sys

import pytest
from tests.support.batches import batch

from orgtrail_consumers.crashes import Crashes

# The sixth record ends the process in a step, as a crash in C would: without an exception. Each run is a
# fork, because importing takes seconds.
RUNS = """
import os, sys
from dataclasses import replace
from pathlib import Path
from tests.support.batches import RESOLVERS, batch
from tests.support.events import datum, record
from tests.unit.consumers.test_pipeline import Letters, Writer, pipeline
from orgtrail_consumers.crashes import Crashes
from orgtrail_consumers.process import prepare_process
from orgtrail_consumers.steps.enrich import Resolvers

def ends(text):
    if text == "agent-5":
        os.kill(os.getpid(), 9)
    return RESOLVERS.client(text)

def run(skipped):
    prepare_process()
    values = [datum(context=record()["context"] | {"user_agent": f"agent-{n}"}) for n in range(9)]
    made = pipeline(Writer(), Letters(), crashes=Crashes(Path(sys.argv[1])), skipped=skipped)
    made = replace(made, resolvers=Resolvers(RESOLVERS.countries, ends))
    prepared = made.prepare(batch(*values, first_offset=40))
    print(prepared.rows.num_rows, [item.reason for item in prepared.rejected], file=sys.stderr)

for skipped in [frozenset()] * 4 + [frozenset({(0, 45)})] * 2:
    child = os.fork()
    if not child:
        run(skipped)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("ended by", os.waitstatus_to_exitcode(status), file=sys.stderr, flush=True)
"""


def test_after_three_ends_the_record_is_named_and_can_be_skipped(tmp_path):
    command = [sys.executable, "-c", RUNS, tmp_path]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    lines = ended.stderr.splitlines()
    named = [line for line in lines if line.startswith("{")]
    assert [line for line in lines if line not in named] == [
        *["ended by -9"] * 4,
        *["8 ['skipped']", "ended by 0"] * 2,
    ]
    assert lines.index(named[0]) == 3
    assert len(named) == 1
    line = json.loads(named[0])
    assert (line["event"], line["partition"], line["offset"], line["times"]) == (
        "record_ends_the_worker", 0, 45, 3,
    )  # fmt: skip
    assert line["next_step"].endswith("set ORGTRAIL_SKIP_OFFSETS=0/45")
    assert list(tmp_path.iterdir()) == []


def crash(crashes, given):
    """Process a batch up to a crash: nothing after the yield happens."""
    working = crashes.processing(given, crashes.ends_at(given))
    working.__enter__()
    return working


def test_a_batch_that_was_processed_is_not_suspected(tmp_path):
    crashes = Crashes(tmp_path)
    with crashes.processing(batch(b"", b""), 0):
        pass
    with pytest.raises(KeyError), crashes.processing(batch(b"", b""), 0):
        raise KeyError
    assert Crashes(tmp_path).ends_at(batch(b"", b"")) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_is_not_suspected(tmp_path):
    living = crash(Crashes(tmp_path), batch(b"", b""))
    assert Crashes(tmp_path).ends_at(batch(b"", b"")) == 0
    living.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("first", "count", "partition", "suspected"),
    [(10, 5, 0, 1), (12, 1, 0, 1), (0, 30, 0, 1), (15, 5, 0, 0), (5, 5, 0, 0), (10, 5, 1, 0)],
)
def test_only_the_same_records_are_suspected(tmp_path, first, count, partition, suspected):
    (tmp_path / "1-1.json").write_text('{"partition": 0, "first": 10, "last": 14, "ends": 1}')
    given = batch(*[b""] * count, first_offset=first)._replace(partition=partition)
    assert Crashes(tmp_path).ends_at(given) == suspected


def test_the_rest_of_a_range_stays_suspected(tmp_path):
    (tmp_path / "1-1.json").write_text('{"partition": 0, "first": 10, "last": 14, "ends": 2}')
    crashes = Crashes(tmp_path)
    head, tail = batch(b"", b"", first_offset=10), batch(b"", b"", b"", first_offset=12)
    with crashes.processing(head, 2):
        pass
    assert (crashes.ends_at(head), crashes.ends_at(tail)) == (0, 2)
    with crashes.processing(tail, 2):
        pass
    assert crashes.ends_at(tail) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"partition": 0}', b"\xff"])
def test_a_damaged_file_is_ignored(tmp_path, content):
    (tmp_path / "1-1.json").write_bytes(content)
    assert Crashes(tmp_path).ends_at(batch(b"")) == 0


def test_a_folder_that_cannot_be_used_stops_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    crashes = Crashes(tmp_path / "file" / "in-progress")
    with crashes.processing(batch(b""), crashes.ends_at(batch(b""))):
        pass
