"""Parquet read by a library that did not write it."""

import io
from typing import Any

import pyarrow.parquet


def parquet(content: bytes) -> list[dict[str, Any]]:
    """The file's rows."""
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    return rows
