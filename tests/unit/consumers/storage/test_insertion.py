"""A batch of which ClickHouse refuses rows. tests/unit/consumers/test_pipeline.py has the cases."""

import pyarrow as pa
import pytest

from orgtrail_consumers.storage.insertion import Accepted, Insertion

CONSTRAINT = OSError("Code: 469. DB::Exception: it is violated (VIOLATED_CONSTRAINT)")


class Table:
    """Refuses every insert that holds one of the numbers; counts the inserts."""

    def __init__(self, *bad):
        self.bad, self.inserts, self.stored = set(bad), 0, []

    def insert(self, _name, rows):
        self.inserts += 1
        numbers = rows["n"].to_pylist()
        if self.bad & set(numbers):
            raise CONSTRAINT
        self.stored += numbers


def insertion(table, count, accepted=None):
    rows = pa.table({"n": list(range(count))})
    return Insertion(table, accepted or Accepted(), "events", rows)


@pytest.mark.parametrize("count", [2, 3, 1000])
@pytest.mark.parametrize("where", ["first", "last"])
def test_one_bad_row_takes_few_inserts(count, where):
    bad = 0 if where == "first" else count - 1
    table = Table(bad)
    (refused,) = insertion(table, count).attempt()
    assert refused.row == bad
    assert refused.detail.startswith("OSError 469 VIOLATED_CONSTRAINT at ")
    assert sorted(table.stored) == [n for n in range(count) if n != bad]
    assert table.inserts <= 2 * count.bit_length() + 2


def test_a_table_that_accepts_nothing_is_asked_a_few_times_only():
    table = Table(*range(20_000))
    given = insertion(table, 20_000)
    for _ in range(2):
        table.inserts = 0
        with pytest.raises(OSError, match="469"):
            given.attempt()
        assert table.inserts <= 32
    assert table.stored == []


def test_all_rows_are_refused_once_the_table_accepts_others():
    table, accepted = Table(0, 1), Accepted()
    given = insertion(table, 2, accepted)
    with pytest.raises(OSError, match="469"):
        given.attempt()
    others = Insertion(table, accepted, "events", pa.table({"n": [7]}))
    assert others.attempt() == []
    assert [item.row for item in given.attempt()] == [0, 1]


def test_an_insert_that_began_before_the_refusal_is_no_evidence():
    """Else a table that breaks while another insert is under way would set a batch aside."""
    table, accepted = Table(0), Accepted()
    began = accepted.now()
    given = insertion(table, 1, accepted)
    with pytest.raises(OSError, match="469"):
        given.attempt()
    accepted.add("events", began)
    with pytest.raises(OSError, match="469"):
        given.attempt()


def test_another_table_is_no_evidence():
    table, accepted = Table(0), Accepted()
    given = insertion(table, 1, accepted)
    with pytest.raises(OSError, match="469"):
        given.attempt()
    accepted.add("people", accepted.now())
    with pytest.raises(OSError, match="469"):
        given.attempt()
