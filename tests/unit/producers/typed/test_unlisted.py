import logging
import threading

import pytest

from orgtrail.typed.unlisted import _MOST, UnlistedWarnings, nearest
from orgtrail_schemas.catalogue import catalogue


@pytest.mark.parametrize(
    ("event", "meant"),
    [
        ("user.logn", "user.login"),
        ("org.user.role.update", "org.user.role.updated"),
        ("org.service_account.created", "org.service-account.created"),
        ("zzz", None),
    ],
)
def test_nearest(event, meant):
    assert nearest(event, catalogue().events) == meant


def test_one_warning_for_each_key(caplog):
    warnings = UnlistedWarnings()
    for event in ("user.logn", "shop.x", "user.logn", "user.logn"):
        warnings.warn_once(event)
    assert [record.getMessage() for record in caplog.records] == [
        "the event user.logn is not in the catalogue (maybe user.login?); it is sent with all"
        " its values redacted",
        "the event shop.x is not in the catalogue; it is sent with all its values redacted",
    ]
    assert {(record.name, record.levelno) for record in caplog.records} == {
        ("orgtrail", logging.WARNING)
    }


def test_memory_is_bounded_and_the_end_is_said_once(caplog):
    warnings = UnlistedWarnings()
    for number in range(3 * _MOST):
        warnings.warn_once(f"shop.event-{number}")
    assert len(warnings._seen) == _MOST + 1
    assert len(caplog.records) == _MOST + 1
    assert caplog.records[-1].getMessage() == (
        f"more than {_MOST} events are not in the catalogue; further ones are not logged"
    )


def test_threads_warn_once(caplog):
    warnings = UnlistedWarnings()
    together = threading.Barrier(8)

    def warn():
        together.wait()
        warnings.warn_once("user.logn")

    threads = [threading.Thread(target=warn) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caplog.records) == 1


def test_two_threads_that_look_before_either_warns(caplog):
    class Unseen(dict):
        def __contains__(self, _event):
            return False

    warnings = UnlistedWarnings()
    warnings._seen = Unseen()
    warnings.warn_once("user.logn")
    warnings.warn_once("user.logn")
    assert len(caplog.records) == 1
