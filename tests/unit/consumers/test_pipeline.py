import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.batches import NOW_MS, RESOLVERS, delivery, find_current
from tests.support.events import datum, record

from orgtrail_consumers import metrics
from orgtrail_consumers.crashes import Crashes
from orgtrail_consumers.dead_letters.breaker import Breaker
from orgtrail_consumers.errors import DeadLetterError, DefectError, StaleBatchError, StopError
from orgtrail_consumers.health import Health
from orgtrail_consumers.kafka.batch import Batch
from orgtrail_consumers.pipeline import Pipeline
from orgtrail_consumers.steps.enrich import Resolvers
from orgtrail_consumers.steps.people import PersonCache
from orgtrail_consumers.storage.shards import Storage
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
        storage=Storage([writer]),
        dead_letters=letters,
        refetch=more.pop("refetch", lambda *_where: {}),
        person_cache=PersonCache(),
        crashes=more.pop("crashes", Crashes(Path("/nonexistent"))),
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
    records = weakref.ref(given._batch.records)

    class Watching(Writer):
        def insert(self, table, rows):
            kept.append((table, records() is not None))
            super().insert(table, rows)

    letters = Letters()
    await pipeline(Watching(), letters).store(given, lambda: True)
    assert kept == [("dead_letters", True), ("events_store", False), ("people", False)]
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


def refuses(*offsets, table="events_store", error="Code: 469. (VIOLATED_CONSTRAINT)"):
    """A ClickHouse that refuses a batch which has one of these offsets or people."""

    class Refuses(Writer):
        def insert(self, name, rows):
            column = "kafka_offset" if name != "people" else "email"
            if name == table and set(offsets) & set(rows[column].to_pylist()):
                raise OSError(error)
            super().insert(name, rows)

        def stored(self, name="events_store", column="kafka_offset"):
            tables = self.tables.get(name, ())
            return sorted({value for rows in tables for value in rows[column].to_pylist()})

    return Refuses()


def again(given):
    """Kafka, which still has the records of a delivery."""
    records = {record.offset: record for record in given._batch.records}
    return lambda _topic, _partition, offsets: {o: records[o] for o in offsets if o in records}


@pytest.mark.parametrize("bad", [{0}, {7}, {3, 4}, {0, 1, 2, 5, 9}, {0, 1, 2, 3, 4, 5, 6, 7, 8}])
async def test_a_row_that_clickhouse_refuses_is_set_aside_alone(bad):
    writer, letters = refuses(*(40 + n for n in bad)), Letters()
    given = from_agents(*(f"agent-{n}" for n in range(10)))
    values = [item.value for item in given._batch.records]
    await pipeline(writer, letters, refetch=again(given)).store(given, lambda: True)
    assert letters.sent == [(values[n], "storage_rejected") for n in sorted(bad)]
    assert writer.stored() == [40 + n for n in range(10) if n not in bad]
    assert writer.stored("dead_letters") == sorted(40 + n for n in bad)


async def test_a_refused_row_whose_record_is_gone_is_said(capsys):
    lost = metrics.LOST.labels("0")._value.get
    before = lost()
    writer, letters = refuses(41), Letters()
    await pipeline(writer, letters).store(from_agents("one", "two"), lambda: True)
    assert letters.sent == [(None, "storage_rejected")]
    assert lost() == before + 1
    assert "rejected_record_is_gone" in capsys.readouterr().out
    assert writer.stored("dead_letters") == [41]


async def test_if_every_row_is_refused_the_consumer_waits(capsys):
    """A missing column refuses all rows; none of them is to blame."""
    writer, letters = (
        refuses(*range(40, 50), error="Code: 16. (NO_SUCH_COLUMN_IN_TABLE)"),
        Letters(),
    )
    answers = iter([True] * 3)
    health = Health()
    with pytest.raises(StaleBatchError):
        await pipeline(writer, letters, health).store(
            from_agents(*"0123456789"), lambda: next(answers, False)
        )
    assert letters.sent == []
    assert health.reasons[0].startswith("write: OSError 16 NO_SUCH_COLUMN_IN_TABLE")


async def test_a_single_row_is_refused_once_others_are_accepted(capsys):
    writer, letters = refuses(40), Letters()
    given = from_agents("bad")
    made = pipeline(writer, letters, refetch=again(given))
    stored = asyncio.create_task(made.store(given, lambda: True))
    await asyncio.sleep(0.3)
    assert letters.sent == []
    await made.store(delivery(datum(), first_offset=70), lambda: True)
    await asyncio.wait_for(stored, 20)
    assert [reason for _, reason in letters.sent] == ["storage_rejected"]
    assert writer.stored() == [70]


async def test_an_overloaded_server_is_no_reason_to_set_aside(capsys):
    writer, letters = refuses(41, error="Code: 241. (MEMORY_LIMIT_EXCEEDED)"), Letters()
    answers = iter([True] * 3)
    with pytest.raises(StaleBatchError):
        await pipeline(writer, letters).store(
            from_agents("one", "two"), lambda: next(answers, False)
        )
    assert letters.sent == []


async def test_a_refused_person_holds_up_nobody(capsys):
    count = metrics.REFUSED_ROWS._value.get
    before = count()
    writer, letters = refuses("bob@acme.example", table="people"), Letters()
    actors = [
        {"type": "user", "id": name, "email": f"{name}@acme.example", "name": ""}
        for name in ("alice", "bob", "carol")
    ]
    given = delivery(*(datum(actor=actor, targets=[]) for actor in actors))
    await pipeline(writer, letters).store(given, lambda: True)
    assert writer.stored() == [0, 1, 2]
    assert writer.stored("people", "email") == ["alice@acme.example", "carol@acme.example"]
    assert count() == before + 1


async def test_a_defect_of_the_insert_sets_aside_the_row_that_it_fails_on():
    class Fragile(Writer):
        def insert(self, table, rows):
            if table == "events_store" and 41 in rows["kafka_offset"].to_pylist():
                raise TypeError("hunter2")
            super().insert(table, rows)

    letters = Letters()
    given = from_agents("one", "two", "three")
    await pipeline(Fragile(), letters, refetch=again(given)).store(given, lambda: True)
    assert [reason for _, reason in letters.sent] == ["storage_rejected"]


async def test_a_batch_of_which_all_is_skipped_stores_nothing():
    writer, letters = Writer(), Letters()
    made = pipeline(writer, letters, skipped=frozenset({(0, 40)}))
    await made.store(delivery(b"ends the worker", first_offset=40), lambda: True)
    assert letters.sent == [(b"ends the worker", "skipped")]
    assert "events_store" not in writer.tables


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
