from importlib.resources import files

import pytest

from orgtrail_query_service.reads.export_formats import DEFAULT, FORMATS

ALL = pytest.mark.parametrize("file", FORMATS.values(), ids=FORMATS)


def test_the_default_comes_first_and_is_for_spreadsheets():
    assert next(iter(FORMATS.values())) is DEFAULT
    assert (DEFAULT.suffix, DEFAULT.clickhouse) == ("csv", "CSVWithNames")


def test_nothing_that_selects_or_names_a_format_is_given_twice():
    for name in ("suffix", "media_type", "title", "clickhouse"):
        values = [getattr(file, name) for file in FORMATS.values()]
        assert len(set(values)) == len(values), name


@ALL
def test_a_suffix_is_safe_in_a_path_and_a_file_name(file):
    assert FORMATS[file.suffix] is file
    assert file.suffix.isascii()
    assert file.suffix.isalnum()
    assert file.suffix == file.suffix.lower()


@ALL
def test_its_select_reads_events_and_leaves_the_rest_to_the_search(file):
    sql = files("orgtrail_query_service.reads").joinpath(file.select).read_text("utf-8")
    assert sql.rstrip().endswith("FROM audit.events")
    assert "WHERE" not in sql.rpartition("FROM")[2]
    assert ";" not in sql.split("FROM audit.events")[-1]


def test_a_byte_order_mark_is_for_text_alone():
    assert [file.suffix for file in FORMATS.values() if file.takes_bom] == ["csv"]
    assert not any(file.takes_bom and file.binary for file in FORMATS.values())
    assert [file.suffix for file in FORMATS.values() if file.binary] == ["parquet"]


def test_what_a_spreadsheet_opens_has_its_formulas_neutralized():
    spreadsheets = [file for file in FORMATS.values() if file.media_type == "text/csv"]
    assert spreadsheets
    for file in spreadsheets:
        sql = files("orgtrail_query_service.reads").joinpath(file.select).read_text("utf-8")
        assert "=+@" in sql or "[=+" in sql, file.suffix
