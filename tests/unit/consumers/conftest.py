"""Time stands still: events happen when the records of ``batches`` were received."""

from datetime import UTC, datetime

import pytest
from tests.support import batches, events


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch):
    moment = datetime.fromtimestamp(batches.NOW_MS / 1000, UTC)
    monkeypatch.setattr(events, "now", lambda: moment)
