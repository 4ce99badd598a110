"""Columns keep their rows: also sliced, empty, and with repeated or missing values."""

import pyarrow as pa
import pytest

from orgtrail_consumers.steps.columns import fill, lookup, nested, offsets, parents

LISTS = pa.array(
    [[{"id": "a", "n": "1"}], [], [{"id": "b", "n": "2"}, {"id": "c", "n": "3"}], [{"id": "d", "n": "4"}]],
    pa.list_(pa.struct({"id": pa.string(), "n": pa.string()})),
)  # fmt: skip
SLICES = [(0, 4), (1, 3), (2, 1), (1, 1), (4, 0)]


def test_each_distinct_value_is_looked_up_once_and_found_in_every_row():
    asked = []

    def find(values):
        asked.append(values)
        return [value.upper() for value in values]

    found = lookup(pa.array(["a", "b", "a", "", "b"]), find)
    assert found.texts().to_pylist() == ["A", "B", "A", "", "B"]
    assert asked == [["a", "b", ""]]
    assert found.texts(lambda text: text * 2).to_pylist() == ["AA", "BB", "AA", "", "BB"]


@pytest.mark.parametrize("values", [[], ["x"], ["a", "b", "a"]])
def test_a_slice_is_looked_up_as_its_own_rows(values):
    whole = pa.array(["other", *values, "other"])
    found = lookup(whole.slice(1, len(values)), lambda distinct: distinct)
    assert found.texts().to_pylist() == values
    assert found.texts().type == pa.string()


def test_what_is_found_may_be_any_object():
    found = lookup(pa.array(["7", "8", "7"]), lambda distinct: [int(v) for v in distinct])
    assert found.texts().to_pylist() == ["7", "8", "7"]


@pytest.mark.parametrize(
    ("value", "count", "kind"), [("x", 3, pa.string()), (7, 2, pa.uint32()), (7, 0, pa.uint64())]
)
def test_a_filled_column_repeats_one_value_of_the_type(value, count, kind):
    column = fill(value, count, kind)
    assert column.to_pylist() == [value] * count
    assert column.type == kind


@pytest.mark.parametrize(("start", "length"), SLICES)
def test_a_list_of_records_becomes_parallel_lists(start, length):
    column = LISTS.slice(start, length)
    columns = nested(column, "targets", ("id", "n"))
    assert list(columns) == ["targets.id", "targets.n"]
    for field in ("id", "n"):
        expected = [[item[field] for item in row] for row in column.to_pylist()]
        assert columns[f"targets.{field}"].to_pylist() == expected


@pytest.mark.parametrize(("start", "length"), SLICES)
def test_offsets_and_parents_are_of_the_slice(start, length):
    column = LISTS.slice(start, length)
    rows = column.to_pylist()
    assert offsets(column).to_pylist() == [sum(map(len, rows[:n])) for n in range(length + 1)]
    assert parents(column).to_pylist() == [n for n, row in enumerate(rows) for _ in row]


def test_maps_have_parents_too():
    maps = pa.array([[("a", "1")], [], [("b", "2"), ("c", "3")]], pa.map_(pa.string(), pa.string()))
    assert parents(maps).to_pylist() == [0, 2, 2]
    assert parents(maps.slice(1)).to_pylist() == [1, 1]
