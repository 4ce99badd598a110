import pytest

from orgtrail_consumers.progress import settled_through
from orgtrail_consumers.transport import Position

IDLE = Position(position=10, stable_end=10, end=10, asked_at=100_000)
BEHIND = Position(position=8, stable_end=10, end=10, asked_at=100_000)
OPEN = Position(position=10, stable_end=10, end=12, asked_at=100_000)


@pytest.mark.parametrize(
    ("previous", "stored", "pending", "where", "expected"),
    [
        (None, None, 0, None, None),
        (None, None, 0, IDLE, 95_000),
        (None, None, 0, BEHIND, None),
        (None, None, 0, OPEN, None),
        (None, 90_000, 1, IDLE, 90_000),
        (None, 99_000, 0, IDLE, 99_000),
        (98_000, 90_000, 1, BEHIND, 98_000),
    ],
)
def test_progress_is_what_is_known_and_never_falls(previous, stored, pending, where, expected):
    assert settled_through(previous, stored, pending, where, 5_000) == expected
