import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.support.batches import NOW_MS, RESOLVERS, delivery, find_current
from tests.support.events import datum, record

from orgtrail_consumers.dead_letters.breaker import Breaker
from orgtrail_consumers.errors import DeadLetterError, DefectError, StaleBatchError, StopError
from orgtrail_consumers.health import Health
from orgtrail_consumers.kafka.batch import Batch
from orgtrail_consumers.pipeline import Pipeline
from orgtrail_consumers.steps.enrich import Resolvers
from orgtrail_consumers.steps.people import PersonCache
from orgtrail_consumers.traces import trace_batches


class Writer:
    def __init__(self, failures=0):
        self.tables = {}
        self.failures = failures

    def insert(self, table, rows):
        if self.failures:
            self.failures -= 1
            raise OSError("away: password=hunter2")
        self.tables.setdefault(table, []).append(rows)


class Letters:
    def __init__(self, failures=0):
        self.sent = []
        self.failures = failures

    def send(self, given: Batch, rejected, now_ms):
        if self.failures:
            self.failures -= 1
            raise DeadLetterError("no acknowledgement")
        self.sent += [(given.records[r.position].value, r.reason) for r in rejected]


def pipeline(writer, letters, health=None, breaker=None, **more):
    return Pipeline(
        find_schema=find_current,
        resolvers=RESOLVERS,
        writer=writer,
        dead_letters=letters,
        person_cache=PersonCache(),
        executor=ThreadPoolExecutor(1),
        health=health or Health(),
        breaker=breaker or Breaker(100, 1000),
        trace=trace_batches(None),
        now_ms=lambda: NOW_MS,
        **more,
    )


async def test_rows_people_and_dead_letters_each_go_their_way():
    writer, letters = Writer(), Letters()
    await pipeline(writer, letters).store(delivery(datum(), b"junk", datum()), lambda: True)
    assert [t.num_rows for t in writer.tables["events_store"]] == [2]
    assert [t.num_rows for t in writer.tables["people"]] == [1]
    assert letters.sent == [(b"junk", "unknown_framing")]
    aside = writer.tables["dead_letters"][0].to_pylist()[0]
    assert (aside["org_id"], aside["reason"], aside["kafka_offset"]) == (
        "acme",
        "unknown_framing",
        1,
    )


async def test_an_outage_is_waited_for(capsys):
    writer, letters = Writer(failures=2), Letters(failures=1)
    await pipeline(writer, letters).store(delivery(datum(), b"junk"), lambda: True)
    assert [t.num_rows for t in writer.tables["events_store"]] == [1]
    assert len(letters.sent) >= 1


async def test_failed_attempts_do_not_pile_up_in_memory():
    """In 100 s of an outage the bodies of refused requests had grown to 140 MB."""
    bodies, alive = weakref.WeakSet(), []

    class Body:
        pass

    class Refusing(Writer):
        def insert(self, table, rows):
            alive.append(len(bodies))
            if self.failures:
                error = OSError("away")
                error.body = Body()
                bodies.add(error.body)
                error.cycle = error
                self.failures -= 1
                raise error

    gc.disable()
    try:
        await pipeline(Refusing(failures=4), Letters()).store(delivery(datum()), lambda: True)
    finally:
        gc.enable()
    assert max(alive) == 1


async def test_records_are_freed_before_their_rows_wait_for_clickhouse():
    """Two batches of records, kept until the insert was acknowledged, took 45 MB."""
    given, kept = delivery(datum(), b"junk"), []
    records = weakref.WeakSet(given._batch.records)

    class Watching(Writer):
        def insert(self, table, rows):
            kept.append((table, len(records)))
            super().insert(table, rows)

    letters = Letters()
    await pipeline(Watching(), letters).store(given, lambda: True)
    assert kept == [("dead_letters", 2), ("events_store", 0), ("people", 0)]
    assert letters.sent == [(b"junk", "unknown_framing")]


async def test_while_an_outage_lasts_the_worker_is_not_ready():
    health, seen = Health(), []

    class Watching(Writer):
        def insert(self, table, rows):
            seen.append(list(health.reasons))
            super().insert(table, rows)

    await pipeline(Watching(failures=1), Letters(), health).store(delivery(datum()), lambda: True)
    assert [len(reasons) for reasons in seen] == [0, 1, 0]
    assert seen[1][0].startswith("write: OSError at ")
    assert health.reasons == []


async def test_a_batch_that_was_taken_away_is_not_written():
    writer = Writer()
    with pytest.raises(StaleBatchError):
        await pipeline(writer, Letters()).store(delivery(datum()), lambda: False)
    assert writer.tables == {}


async def test_a_batch_taken_away_during_an_outage_is_given_up():
    writer = Writer(failures=1_000_000)
    answers = iter([True, True, True])
    with pytest.raises(StaleBatchError):
        await pipeline(writer, Letters()).store(delivery(datum()), lambda: next(answers, False))


async def test_a_defect_is_named_without_its_data():
    class Broken(Writer):
        def insert(self, table, rows):
            raise KeyError("hunter2")

    with pytest.raises(DefectError) as defect:
        await pipeline(Broken(), Letters()).store(delivery(datum()), lambda: True)
    assert "KeyError" in str(defect.value)
    assert "hunter2" not in str(defect.value)
    assert defect.value.__cause__ is None


async def test_a_tripped_breaker_sets_nothing_aside():
    writer, letters = Writer(), Letters()
    half = delivery(datum(), b"junk", b"junk")
    with pytest.raises(StopError, match="ORGTRAIL_BREAKER_PERCENT"):
        await pipeline(writer, letters, breaker=Breaker(50, 3)).store(half, lambda: True)
    assert letters.sent == []
    assert writer.tables == {}


async def test_events_are_not_inserted_again_because_people_were_refused():
    class NoPeople(Writer):
        refusals = 2

        def insert(self, table, rows):
            if table == "people" and self.refusals:
                self.refusals -= 1
                raise OSError
            super().insert(table, rows)

    writer = NoPeople()
    await pipeline(writer, Letters()).store(delivery(datum()), lambda: True)
    assert {table: len(rows) for table, rows in writer.tables.items()} == {
        "events_store": 1,
        "people": 1,
    }


class Fails:
    """Look-ups that fail on user agents of some texts, as a bug in a step would."""

    def __init__(self, *bad):
        self.bad = bad

    def __call__(self, text):
        if text in self.bad:
            raise TypeError("hunter2")
        return RESOLVERS.client(text)


def from_agents(*agents):
    values = [datum(context=record()["context"] | {"user_agent": agent}) for agent in agents]
    return delivery(*values, first_offset=40)


@pytest.mark.parametrize("bad", [{0}, {7}, {3, 4}, {0, 1, 2, 5, 9}, set(range(10))])
async def test_a_record_on_which_a_step_fails_is_set_aside_alone(bad):
    writer, letters = Writer(), Letters()
    agents = [f"agent-{n}" for n in range(10)]
    given = from_agents(*agents)
    values = [item.value for item in given._batch.records]
    resolvers = Resolvers(RESOLVERS.countries, Fails(*(agents[n] for n in bad)))
    made = replace(pipeline(writer, letters), resolvers=resolvers)
    await made.store(given, lambda: True)
    assert sorted(letters.sent) == sorted((values[n], "unprocessable") for n in bad)
    stored = [
        o for t in writer.tables.get("events_store", ()) for o in t["kafka_offset"].to_pylist()
    ]
    assert sorted(stored) == [40 + n for n in range(10) if n not in bad]


async def test_a_record_that_an_operator_skips_is_set_aside_unread():
    writer, letters = Writer(), Letters()
    made = pipeline(writer, letters, skipped=frozenset({(0, 41), (0, 43), (1, 40)}))
    await made.store(
        delivery(datum(), b"ends the worker", datum(), b"too", first_offset=40), lambda: True
    )
    assert letters.sent == [(b"ends the worker", "skipped"), (b"too", "skipped")]
    assert writer.tables["events_store"][0]["kafka_offset"].to_pylist() == [40, 42]


async def test_a_server_that_does_not_answer_is_an_outage():
    now = [0.0]
    health = Health(lambda: now[0])

    class Hangs(Writer):
        def insert(self, table, rows):
            now[0] += 5
            assert health.reasons == []
            now[0] += 6
            assert health.reasons == ["write: no answer for 11 s"] or table != "events_store"
            super().insert(table, rows)

    await pipeline(Hangs(), Letters(), health).store(delivery(datum()), lambda: True)
    assert health.reasons == []
