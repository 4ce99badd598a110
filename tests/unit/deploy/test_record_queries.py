"""``orgtrail record-queries --every``: each reading of the log begins shortly before the last."""

from datetime import UTC, datetime, timedelta

import pytest

import orgtrail
from orgtrail_deploy import record_queries as module


class Producer:
    def __init__(self, _settings):
        return

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None


def test_the_beginning_of_a_reading_never_goes_back_and_old_queries_are_forgotten(monkeypatch):
    asked, kept = [], []
    began = datetime.now(UTC)

    def record(_settings, _audit, since, recorded):
        asked.append(since)
        kept.append(len(recorded))
        if len(asked) in (1, 4):
            recorded.add((f"q-{len(asked)}", began + timedelta(hours=len(asked))))
        if len(asked) == 7:
            raise KeyboardInterrupt
        return 0

    monkeypatch.setattr(module, "_record", record)
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(orgtrail, "AuditProducer", Producer)
    with pytest.raises(KeyboardInterrupt):
        module.record_queries(every=1)
    assert asked == sorted(asked)
    assert asked[1] == asked[2] == began + timedelta(hours=1) - timedelta(minutes=2)
    assert asked[-1] == began + timedelta(hours=4) - timedelta(minutes=2)
    assert max(kept) == 2
    assert kept[-1] == 1


def test_a_repetition_is_at_least_a_second_later():
    with pytest.raises(module.StackError, match="--every must be at least 1 second"):
        module.record_queries(every=0)
