"""The consumer killed at every step: nothing is lost, nothing is doubled to a reader."""

import pytest
from tests.chaos.conftest import TALLY
from tests.chaos.hurt import STEPS
from tests.chaos.load import Load
from tests.chaos.oracle import stored_copies, wait_all


def test_killed_at_every_step(arena, prove, rounds):
    """One worker after the other dies at the next step, while events keep arriving.

    Guards: offsets are committed after the insert, and reads deduplicate. Switched off in the two
    tests below.
    """
    with Load(arena.brokers, rate=1_000) as load:
        for _ in range(rounds):
            for step in STEPS:
                arena.start_consumer(HURT_KILL=f"{step}:3").wait_dead()
                TALLY["kills of the consumer"] += 1
        arena.start_consumer().wait_ready()
        prove(load, 60 + 60 * rounds)


@pytest.mark.long
def test_committing_before_the_insert_would_lose(arena):
    with Load(arena.brokers, rate=2_000) as load:
        dies = {"HURT_KILL": "committed:5", "HURT_WITHOUT": "commit_after_insert"}
        arena.start_consumer(**dies).wait_dead()
        load.stop()
    arena.start_consumer().wait_ready()
    assert wait_all(load, arena.query, 8).lost


@pytest.mark.long
def test_reading_without_final_would_double(arena, prove):
    """Replayed on purpose: the storage holds copies, and only the reads hide them."""
    arena.query("SYSTEM STOP MERGES audit.events_store")
    try:
        with Load(arena.brokers, rate=1_000) as load:
            arena.start_consumer(HURT_KILL="acknowledged:3").wait_dead()
            TALLY["kills of the consumer"] += 1
            arena.start_consumer().wait_ready()
            prove(load)
        assert stored_copies(arena.query) > 0
    finally:
        arena.query("SYSTEM START MERGES audit.events_store")
