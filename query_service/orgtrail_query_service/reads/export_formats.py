"""The files that an export can be: each is a row of data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A file's format: its suffix, its media type, and how ClickHouse makes it."""

    suffix: str
    media_type: str
    select: str
    clickhouse: str
    sentence: str
    binary: bool = False


CSV = Format(
    "csv",
    "text/csv",
    "export_rows.sql",
    "CSVWithNames",
    "one line an event, for people and spreadsheets; formulas are made harmless",
)
JSONL = Format(
    "jsonl",
    "application/jsonl",
    "export_objects.sql",
    "JSONEachRow",
    "one JSON object a line, with the names and nesting of the API",
)
PARQUET = Format(
    "parquet",
    "application/vnd.apache.parquet",
    "export_objects.sql",
    "Parquet",
    "columns for data tools, nested as in the API",
    binary=True,
)

FORMATS = {file.suffix: file for file in (CSV, JSONL, PARQUET)}
