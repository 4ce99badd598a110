"""The producer of the process: made once, on first use, and replaceable."""

import threading

import pytest

from orgtrail import Actor, AuditProducer, ProducerSettings, SettingsError, default
from orgtrail.testing import Recorder


@pytest.fixture(autouse=True)
def nothing_made():
    default.set_producer(None)
    yield
    default.set_producer(None)


@pytest.fixture
def audit():
    with Recorder() as recorder:
        yield recorder


def test_it_is_made_once(audit):
    assert default.get_producer() is default.get_producer()


def test_threads_that_race_share_one(audit):
    start, seen = threading.Barrier(8), []

    def use():
        start.wait()
        seen.append(default.get_producer())

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(map(id, seen))) == 1


def test_it_takes_its_settings_on_first_use(audit, monkeypatch):
    monkeypatch.setenv("ORGTRAIL_SERVICE", "billing")
    default.emit("user.login", org_id="acme", actor=Actor(id="u-1"))
    monkeypatch.setenv("ORGTRAIL_SERVICE", "accounts")
    default.emit("user.login", org_id="acme", actor=Actor(id="u-1"))
    assert [event.context.service for event in audit.events] == ["billing", "billing"]


def test_a_wrong_setting_is_named_at_first_use_and_can_be_corrected(audit, monkeypatch):
    monkeypatch.setenv("ORGTRAIL_LINGER_MS", "soon")
    with pytest.raises(SettingsError, match="ORGTRAIL_LINGER_MS"):
        default.emit("user.login", org_id="acme", actor=Actor(id="u-1"))
    monkeypatch.delenv("ORGTRAIL_LINGER_MS")
    assert default.get_producer()


def test_another_can_take_its_place_until_it_is_reset(audit):
    mine = AuditProducer(ProducerSettings(service="mine"))
    default.set_producer(mine)
    assert default.get_producer() is mine
    event_id = default.emit("user.login", org_id="acme", actor=Actor(id="u-1"))
    audit.assert_emitted("user.login", event_id=event_id)
    assert audit.events[0].context.service == "mine"
    default.set_producer(None)
    assert default.get_producer() is not mine
