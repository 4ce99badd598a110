"""The service's own functions: called late, and their errors are logged once, without data."""

import functools
import logging

import pytest

from orgtrail.request import service_callbacks
from orgtrail.request.service_callbacks import Asked, ask, report_once


@pytest.fixture(autouse=True)
def nothing_reported(monkeypatch):
    monkeypatch.setattr(service_callbacks, "_reported", set())


def fails(_request):
    raise LookupError("alice@acme.example")


class Finder:
    def method(self, _request):
        raise LookupError

    def __call__(self, _request):
        raise LookupError


def call(function):
    return function()


def test_the_argument_is_made_at_each_call():
    made = []
    find = Asked(lambda request: f"user of {request}", lambda: made.append(1) or len(made))
    assert made == []
    assert [find(), find()] == ["user of 1", "user of 2"]


def test_a_result_is_returned_and_nothing_logged(caplog):
    assert ask(lambda: "acme", call, "otherwise") == "acme"
    assert ask(lambda: None, call, "otherwise") is None
    assert caplog.records == []


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (fails, "fails"),
        (Finder().method, "Finder.method"),
        (Finder(), "Finder"),
        (functools.partial(fails), "partial"),
    ],
)
def test_a_function_that_fails_is_named_once_without_its_data(caplog, function, name):
    for _ in range(3):
        assert ask(Asked(function, lambda: "request"), call, "otherwise") == "otherwise"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert name in record.getMessage()
    assert "LookupError" in record.getMessage()
    assert "alice" not in caplog.text


def test_the_place_of_the_error_is_named(caplog):
    ask(Asked(fails, lambda: None), call, None)
    assert f"{__file__}:{fails.__code__.co_firstlineno + 1}" in caplog.text


def test_another_kind_of_error_is_logged_too(caplog):
    for error in (KeyError(), ValueError(), KeyError()):
        report_once(fails, error)
    assert len(caplog.records) == 2


def test_the_number_of_reports_is_limited(caplog, monkeypatch):
    monkeypatch.setattr(service_callbacks, "_MOST_REPORTED", 3)
    for number in range(10):
        report_once(fails, type(f"Error{number}", (Exception,), {})())
    assert len(caplog.records) == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_process_is_not_held_back(error):
    def end():
        raise error

    with pytest.raises(error):
        ask(end, call, "otherwise")
