"""The generated documents hold everything that they are generated from."""

import re

import pytest

from orgtrail_deploy.documents import PROCESSES, documents
from orgtrail_query_service.reads.export_formats import FORMATS
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_schemas.catalogue import catalogue
from orgtrail_schemas.reasons import EXPLAINED
from orgtrail_schemas.settings import described
from orgtrail_schemas.tables import event_columns


@pytest.fixture(scope="module")
def texts():
    return documents()


def first_cells(text):
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("data-dictionary.md", [column.name for column in event_columns()]),
        ("event-types.md", list(catalogue().events)),
        ("dead-letters.md", list(EXPLAINED)),
        ("settings.md", [s.variable for _, prefix, kind in PROCESSES for s in described(kind, prefix)]),
    ],
)  # fmt: skip
def test_a_document_lists_exactly_what_it_is_generated_from(texts, name, wanted):
    assert first_cells(texts[name]) == wanted


def test_filters_and_formats_are_listed(texts):
    listed = first_cells(texts["filters.md"])
    assert listed[: len(FILTERS)] == [f.name for f in FILTERS]
    assert {f"export.{f.suffix}" for f in FORMATS.values()} <= set(listed)


@pytest.mark.parametrize("name", documents())
def test_every_table_row_has_the_cells_of_its_heading(texts, name):
    width = 0
    for line in texts[name].splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        if cells and not width:
            width = cells
        assert cells in (0, width), line
        width = cells and width
    assert texts[name].endswith("\n")


def test_a_setting_shows_its_default_or_that_it_is_required(texts):
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", texts["settings.md"], re.MULTILINE))
    assert rows["ORGTRAIL_KAFKA_BROKERS"] == "`127.0.0.1:9092`"
    assert rows["ORGTRAIL_UP_KAFKA_PORT"] == "`9092`"
    assert rows["ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD_FILE"] == "` `"
    assert "required" in rows.values()


def test_metrics_of_all_three_components_are_listed(texts):
    names = first_cells(texts["metrics.md"])
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"orgtrail_[a-z0-9_]+", name) for name in names)
    assert texts["metrics.md"].count("\n## ") == 3


def test_what_orgtrail_records_itself_is_marked(texts):
    marked = re.findall(r"^\| `([^`]+)` .*Orgtrail itself", texts["event-types.md"], re.MULTILINE)
    assert marked == [event.key for event in catalogue().events.values() if event.own]
    assert marked
