"""The export formats: each is a row of data. Routes, OpenAPI, CLI and page are made from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A file format.

    ``suffix`` and ``media_type`` select it; ``title`` and ``sentence`` are for people. ``select``
    is a file of SQL, ``clickhouse`` ClickHouse's name of the format.
    """

    suffix: str
    media_type: str
    title: str
    sentence: str
    select: str
    clickhouse: str
    binary: bool = False
    takes_bom: bool = False


DEFAULT = Format(
    suffix="csv",
    media_type="text/csv",
    title="CSV",
    sentence="one line per event, for people and spreadsheets; formulas are neutralized",
    select="export_rows.sql",
    clickhouse="CSVWithNames",
    takes_bom=True,
)

_ALL = (
    DEFAULT,
    Format(
        suffix="jsonl",
        media_type="application/jsonl",
        title="JSON Lines",
        sentence="one JSON object per line, with the names and nesting of the API",
        select="export_objects.sql",
        clickhouse="JSONEachRow",
    ),
    Format(
        suffix="parquet",
        media_type="application/vnd.apache.parquet",
        title="Parquet",
        sentence="columns for data tools, nested as in the API",
        select="export_objects.sql",
        clickhouse="Parquet",
        binary=True,
    ),
)

FORMATS = {file.suffix: file for file in _ALL}
"""The formats by suffix; the first is the default."""
