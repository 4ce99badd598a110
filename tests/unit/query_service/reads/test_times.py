from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from orgtrail_query_service.reads.times import with_times


class Body(msgspec.Struct):
    at: datetime
    all: list[dict[str, datetime | str | None]]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 23, 9, tzinfo=UTC), "2026-11-23T09:00:00.000Z"),
        (datetime(2026, 11, 23, 9, 0, 0, 120_000, UTC), "2026-11-23T09:00:00.120Z"),
        (datetime(2026, 11, 23, 10, tzinfo=timezone(timedelta(hours=1))), "2026-11-23T09:00:00.000Z"),
    ],
)  # fmt: skip
def test_times_have_three_digits_and_texts_stay(moment, text):
    looks_like_one = "2026-11-23T09:00:00.000000Z"
    body = with_times(Body(moment, [{"a": moment, "b": looks_like_one, "c": None}]))
    assert body == {"at": text, "all": [{"a": text, "b": looks_like_one, "c": None}]}
