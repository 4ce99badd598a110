"""What the terminal's options become."""

from datetime import UTC, datetime

import pytest

from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.terminal.commands import FilterOptions, _parameters, instant

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", "2026-11-22T12:00:00.000+00:00"),
        ("90m", "2026-11-23T10:30:00.000+00:00"),
        ("7d", "2026-11-16T12:00:00.000+00:00"),
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("yesterday", "yesterday"),
        (None, None),
    ],
)
def test_times(text, expected):
    assert instant(text, NOW) == expected


def test_every_filter_is_an_option():
    given = {f.name: ["a", "b"] if f.repeatable else "a" for f in FILTERS}
    sent = _parameters(FilterOptions(**given), None, None, NOW)
    assert {name for name, _ in sent} == {f.name for f in FILTERS}
    assert [value for name, value in sent if name == "event"] == ["a", "b"]
