import pytest

from orgtrail_consumers.kafka.positions import Position
from orgtrail_consumers.storage.progress import settled_through

IDLE = Position(
    position=10, last_stable_offset=10, high_watermark=10, asked_at=100_000, last_polled=None
)
BEHIND = Position(
    position=8, last_stable_offset=10, high_watermark=10, asked_at=100_000, last_polled=None
)
OPEN = Position(
    position=10, last_stable_offset=10, high_watermark=12, asked_at=100_000, last_polled=None
)


@pytest.mark.parametrize(
    ("previous", "stored", "in_progress", "position", "expected"),
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
def test_progress_is_what_is_known_and_never_falls(
    previous, stored, in_progress, position, expected
):
    assert settled_through(previous, stored, in_progress, position, 110_000, 5_000) == expected


@pytest.mark.parametrize(
    ("previous", "asked_at", "expected"),
    [(None, None, None), (80_000, None, 80_000), (None, 90_000, 85_000), (88_000, 90_000, 88_000)],
)
def test_nothing_is_settled_that_a_partition_not_yet_seen_may_hold(previous, asked_at, expected):
    assert settled_through(previous, 99_000, False, IDLE, asked_at, 5_000) == expected
