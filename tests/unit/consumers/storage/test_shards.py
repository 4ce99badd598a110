"""Rows of several organizations on several shards: each in its own, once, and found if refused."""

import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from orgtrail_consumers import metrics
from orgtrail_consumers.storage.insertion import Refused
from orgtrail_consumers.storage.shards import EveryShard, Storage
from orgtrail_schemas.shards import shard_of

CONSTRAINT = OSError("Code: 469. DB::Exception: it is violated (VIOLATED_CONSTRAINT)")
ORGS = ("acme", "wayne", "initech", "globex")
"""On two shards and on three, none is empty."""
ROWS = pa.table({"org_id": [ORGS[n % 4] for n in range(40)], "n": range(40)})


class Shard:
    """Refuses an insert that holds one of the numbers, or while it is away."""

    def __init__(self, *bad):
        self.bad, self.away, self.stored, self.inserts = set(bad), False, [], 0

    def insert(self, _table, rows):
        self.inserts += 1
        if self.away:
            raise OSError("refused")
        if self.bad & set(rows["n"].to_pylist()):
            raise CONSTRAINT
        self.stored += zip(*rows.to_pydict().values(), strict=True)


def failures(shard):
    """That were counted; a shard without a count has no series for its first one to increase."""
    return metrics.SHARD_FAILURES._metrics[str(shard),]._value.get()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_organization_has_all_its_rows_on_its_shard(count):
    shards = [Shard() for _ in range(count)]
    # As the pipeline makes them: of several chunks.
    rows = pa.concat_tables([ROWS.slice(0, 7), ROWS.slice(7)])
    assert Storage(shards).insertion("events_store", rows).attempt() == []
    for position, shard in enumerate(shards):
        assert shard.stored == [
            (org, n)
            for org, n in zip(*ROWS.to_pydict().values(), strict=True)
            if shard_of(org, count) == position
        ]
        assert shard.inserts == bool(shard.stored)


def test_a_shard_that_is_away_holds_up_no_rows_of_the_others_and_they_are_sent_once():
    here, away = (Shard(), Shard())
    away.away = True
    insertion = Storage([here, away]).insertion("events_store", ROWS)
    for _ in range(3):
        with capture_logs() as logged, pytest.raises(OSError, match="refused"):
            insertion.attempt()
        assert [(line["event"], line["shard"]) for line in logged] == [("shard_failed", 2)]
    assert here.inserts == 1
    away.away = False
    assert insertion.attempt() == []
    assert sorted(n for _, n in here.stored + away.stored) == list(range(40))
    assert here.inserts == 1


def test_a_refused_row_is_named_by_its_place_in_the_whole():
    bad = [n for n in range(40) if shard_of(ORGS[n % 4], 2) == 1][5]
    shards = [Shard(), Shard(bad)]
    refused = Storage(shards).insertion("events_store", ROWS).attempt()
    assert [(item.row, type(item)) for item in refused] == [(bad, Refused)]


def test_what_one_shard_accepts_proves_nothing_about_another():
    """Else a shard whose table is broken would have all its rows set aside."""
    broken = Shard(*range(40))
    storage = Storage([Shard(), broken])
    insertion = storage.insertion("events_store", ROWS)
    for _ in range(3):
        with pytest.raises(OSError, match="469"):
            insertion.attempt()
        others = ROWS.filter(pa.array([n == 0 for n in range(40)]))
        assert storage.insertion("events_store", others).attempt() == []
    assert broken.stored == []


def test_a_refusal_is_remembered_while_another_shard_is_away():
    bad = next(n for n in range(40) if shard_of(ORGS[n % 4], 2) == 0)
    here, away = Shard(bad), Shard()
    away.away = True
    insertion = Storage([here, away]).insertion("events_store", ROWS)
    with pytest.raises(OSError, match="refused"):
        insertion.attempt()
    away.away = False
    assert [item.row for item in insertion.attempt()] == [bad]


def test_progress_reaches_every_shard_that_answers():
    first, second, third = shards = [Shard() for _ in range(3)]
    progress = pa.table({"kafka_partition": [0], "n": [1]})
    EveryShard(shards).insert("ingest_progress", progress)
    second.away = True
    with capture_logs() as logged, pytest.raises(OSError, match="refused"):
        EveryShard(shards).insert("ingest_progress", progress)
    assert [line["shard"] for line in logged] == [2]
    assert [len(shard.stored) for shard in (first, second, third)] == [2, 1, 2]


def test_a_single_server_is_no_shard_in_the_log():
    alone = Shard()
    alone.away = True
    with capture_logs() as logged:
        for attempt in (
            Storage([alone]).insertion("events_store", ROWS).attempt,
            lambda: EveryShard([alone]).insert("ingest_progress", ROWS),
        ):
            with pytest.raises(OSError, match="refused"):
                attempt()
    assert logged == []


def test_a_failure_counts_for_its_shard_alone():
    shards = here, away = Shard(), Shard()
    storage = Storage(shards)
    before = failures(1), failures(2)
    away.away = True
    for attempt in (
        storage.insertion("events_store", ROWS).attempt,
        lambda: EveryShard(shards).insert("ingest_progress", ROWS),
    ):
        with pytest.raises(OSError, match="refused"):
            attempt()
    assert (failures(1), failures(2)) == (before[0], before[1] + 2)
    here.away = True
    with pytest.raises(OSError, match="refused"):
        EveryShard([here]).insert("ingest_progress", ROWS)
    assert failures(1) == before[0] + 1
