import pytest

from orgtrail_consumers.progress import settled_through
from orgtrail_consumers.transport import Position

IDLE = Position(position=10, stable_end=10, end=10, asked_at=100_000, handed_out=None)
BEHIND = Position(position=8, stable_end=10, end=10, asked_at=100_000, handed_out=None)
OPEN = Position(position=10, stable_end=10, end=12, asked_at=100_000, handed_out=None)


@pytest.mark.parametrize(
    ("previous", "stored", "under_way", "where", "expected"),
    [
        (None, None, False, None, None),
        (None, None, False, IDLE, 95_000),
        (None, None, False, BEHIND, None),
        (None, None, False, OPEN, None),
        (None, 90_000, True, IDLE, 90_000),
        (None, 99_000, False, IDLE, 99_000),
        (98_000, 90_000, True, BEHIND, 98_000),
    ],
)
def test_progress_is_what_is_known_and_never_falls(previous, stored, under_way, where, expected):
    assert settled_through(previous, stored, under_way, where, 110_000, 5_000) == expected


@pytest.mark.parametrize(
    ("previous", "asked_at", "expected"),
    [(None, None, None), (80_000, None, 80_000), (None, 90_000, 85_000), (88_000, 90_000, 88_000)],
)
def test_nothing_is_settled_that_a_partition_not_yet_seen_may_hold(previous, asked_at, expected):
    assert settled_through(previous, 99_000, False, IDLE, asked_at, 5_000) == expected
