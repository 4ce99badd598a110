"""Answers in JSON."""

from __future__ import annotations

from typing import TypeVar

from litestar import Response

from orgtrail_query_service.reads.times import with_times

T = TypeVar("T")


def answer(value: T, headers: dict[str, str] | None = None) -> Response[T]:
    """An answer with the fields of ``value``, and times as every export writes them."""
    return Response(with_times(value), headers=headers)
