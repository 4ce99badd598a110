"""Where each partition goes on after a rewind."""

from datetime import datetime

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.rewind import Move, moves_to, rewind


@pytest.mark.parametrize(
    ("committed", "since", "end", "after"),
    [
        (100, 60, 120, 60),
        # No record since then: nothing is read again, and nothing is skipped.
        (100, -1, 100, 100),
        (100, -1, 120, 100),
        # Behind that time already.
        (100, 110, 120, 100),
        # Never committed.
        (None, 60, 120, 0),
    ],
)
def test_a_partition_never_goes_forward(committed, since, end, after):
    before = {} if committed is None else {0: committed}
    assert moves_to(before, {0: since}, {0: end}) == [Move(0, committed or 0, after)]


def test_a_time_needs_a_zone():
    with pytest.raises(StackError, match="end it with Z"):
        rewind(datetime(2026, 11, 27))
