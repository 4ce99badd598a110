"""ClickHouse killed, frozen, full, and cut off after it has executed."""

import random
import signal
import time

import pytest
from tests.chaos.conftest import TALLY
from tests.chaos.load import Load
from tests.chaos.oracle import stored_copies, wait_all
from tests.support.running import eventually

FAILURES = "orgtrail_consumer_failures_total"


def kill_and_restart(arena):
    arena.clickhouse.child.kill()
    arena.clickhouse.restart()
    arena.clickhouse.wait_ready()


@pytest.mark.long
def test_killed_at_random_while_parts_are_written(arena, prove, rounds):
    """Guards: inserts are retried until they are acknowledged (switched off below)."""
    chance = random.Random(7)
    with Load(arena.brokers, rate=3_000) as load:
        worker = arena.start_consumer().wait_ready()
        for _ in range(3 * rounds):
            time.sleep(chance.uniform(0.5, 2))
            failed = worker.metric(FAILURES)
            kill_and_restart(arena)
            TALLY["kills of ClickHouse"] += 1
            # A worker that had nothing to insert at that moment notices nothing.
            eventually(lambda: worker.readiness()[0] == 200, 60)
            TALLY["kills of ClickHouse that hit an insert"] += worker.metric(FAILURES) > failed
        prove(load, 60 + 30 * rounds)


@pytest.mark.long
def test_giving_up_on_an_insert_would_lose(arena):
    with Load(arena.brokers, rate=2_000) as load:
        arena.start_consumer(HURT_WITHOUT="retry").wait_ready()
        eventually(arena.stored)
        kill_and_restart(arena)
        time.sleep(1)
        load.stop()
        assert wait_all(load, arena.query, 8).lost


@pytest.mark.long
def test_frozen(arena, prove):
    """It takes connections and answers nothing, for longer than a commit interval."""
    with Load(arena.brokers, rate=2_000) as load:
        arena.start_consumer().wait_ready()
        time.sleep(1)
        arena.clickhouse.child.signal(signal.SIGSTOP)
        time.sleep(5)
        arena.clickhouse.child.signal(signal.SIGCONT)
        prove(load)


@pytest.mark.long
def test_out_of_disk(arena, prove):
    """The server refuses inserts with NOT_ENOUGH_SPACE, its answer on a file system that is full.

    That was seen on a full tmpfs, which needs special rights; the table's own threshold gives the
    same answer without. (RLIMIT_FSIZE needs none either, but no full disk looks like that:
    ClickHouse acknowledges what it could write in part only.)
    """
    with Load(arena.brokers, rate=2_000) as load:
        worker = arena.start_consumer().wait_ready()
        eventually(arena.stored)
        table = "ALTER TABLE audit.events_store"
        threshold = "min_free_disk_bytes_to_perform_insert"
        arena.query(f"{table} MODIFY SETTING {threshold} = 1000000000000000")
        try:
            eventually(lambda: worker.readiness()[0] == 503, 30)
            assert "243 NOT_ENOUGH_SPACE" in worker.readiness()[1]
            time.sleep(2)
        finally:
            arena.query(f"{table} RESET SETTING {threshold}")
        prove(load)


def test_answers_cut_off_after_the_insert_was_executed(arena, prove):
    """The consumer cannot know that it was stored, inserts again, and a reader sees it once."""
    arena.query("SYSTEM STOP MERGES audit.events_store")
    try:
        with Load(arena.brokers, rate=2_000) as load:
            arena.start_consumer().wait_ready()
            arena.clickhouse_proxy.swallow(5, b"events_store")
            eventually(lambda: arena.clickhouse_proxy.swallowed >= 5, 60)
            prove(load)
        TALLY["answers cut off"] += arena.clickhouse_proxy.swallowed
        assert stored_copies(arena.query) > 0
    finally:
        arena.query("SYSTEM START MERGES audit.events_store")


@pytest.mark.long
@pytest.mark.parametrize("mechanism", ["stay_in_group", None])
def test_away_for_longer_than_the_poll_interval(arena, prove, mechanism):
    """Guards: a worker that waits stays in its group; without that it is put out."""
    hurt = {"HURT_WITHOUT": mechanism} if mechanism else {}
    with Load(arena.brokers, rate=1_000) as load:
        worker = arena.start_consumer(ORGTRAIL_MAX_POLL_INTERVAL_S="4", **hurt).wait_ready()
        eventually(arena.stored)
        rebalances = worker.metric("orgtrail_total_rebalances")
        arena.clickhouse_proxy.cut()
        try:
            time.sleep(10)
            code, reason = worker.readiness()
        finally:
            arena.clickhouse_proxy.mend()
        assert code == 503
        assert "OperationalError" in reason
        if mechanism is None:
            prove(load)
            assert worker.metric("orgtrail_total_rebalances") == rebalances
        else:
            eventually(lambda: worker.metric("orgtrail_total_rebalances") > rebalances, 30)
