"""One mutable scope, which copies of a context, threads and tasks share."""

import asyncio
import contextvars
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orgtrail import Actor, Context
from orgtrail.request import service_callbacks
from orgtrail.scope import UNKNOWN, Scope, audit_scope, bind, current, enter, leave, update

ALICE, BOB = Actor(id="u-1"), Actor(id="u-2")


@pytest.fixture(autouse=True)
def _nothing_reported(monkeypatch):
    monkeypatch.setattr(service_callbacks, "_reported", set())


def test_a_scope_lasts_for_its_block():
    assert current() is None
    with audit_scope(actor=ALICE, ip="203.0.113.9") as outer:
        assert current() is outer
        with audit_scope() as inner:
            assert current() is inner
            assert inner.who() is None
        assert current().where() == Context(ip="203.0.113.9")
    assert current() is None


def test_what_a_copy_of_the_context_sets_is_seen_by_all():
    with audit_scope():
        contextvars.copy_context().run(update, actor=ALICE, session_id="ses-1")
        assert current().who() == ALICE
        assert current().where().session_id == "ses-1"


def test_update_does_nothing_outside_of_a_scope_and_knows_its_fields():
    update(actor=ALICE)
    assert current() is None
    with audit_scope(), pytest.raises(AttributeError):
        update(actr=ALICE)


def test_functions_are_asked_at_each_use():
    people = [ALICE, {"id": 7}]
    scope = Scope(actor=lambda: people.pop(0), org_id=lambda: "acme", impersonator=lambda: BOB)
    assert [scope.who(), scope.who()] == [ALICE, Actor(id=7)]
    assert scope.org_id == "acme"
    assert scope.impersonator == BOB
    scope.org_id, scope.impersonator = "globex", None
    assert (scope.org_id, scope.impersonator) == ("globex", None)


def test_a_function_that_fails_is_logged_once_without_values(caplog):
    def who_is_it():
        raise LookupError("secret@acme.example")

    scope = Scope(actor=who_is_it, org_id=who_is_it, impersonator=who_is_it)
    with caplog.at_level(logging.ERROR, "orgtrail"):
        assert [scope.who(), scope.who(), scope.org_id, scope.impersonator] == [
            UNKNOWN,
            UNKNOWN,
            None,
            None,
        ]
    assert len(caplog.records) == 1
    assert "scope_function_failed" in caplog.text
    assert "who_is_it raised LookupError at" in caplog.text
    assert "test_scope.py:" in caplog.text
    assert "secret" not in caplog.text


def test_what_is_no_person_is_unknown():
    assert Scope(actor=object()).who() == UNKNOWN
    assert Scope(actor=object).who() == UNKNOWN
    assert Scope(actor=lambda: None).who() is None


def test_leave_in_another_context_leaves_nothing_behind():
    token = contextvars.copy_context().run(enter, Scope())
    enter(Scope())
    leave(token)
    assert current() is None


def test_a_thread_sees_a_bound_scope_and_no_other():
    with audit_scope(actor=lambda: ALICE, org_id="acme") as scope, ThreadPoolExecutor(1) as pool:
        assert pool.submit(current).result() is None
        work = bind(current)
        scope.actor = BOB
        found = pool.submit(work).result()
        assert (found.who(), found.org_id) == (ALICE, "acme")
        found.session_id = "theirs"
        assert scope.session_id == ""
        assert pool.submit(work).result().session_id == ""
        assert pool.submit(current).result() is None


def test_bind_outside_of_a_scope_takes_none_along():
    with ThreadPoolExecutor(1) as pool:
        work = bind(current)
        with audit_scope():
            assert pool.submit(work).result() is None
            assert current() is not None


def test_bind_passes_arguments_results_and_errors():
    def divide(a, *, b):
        """Doc."""
        return a / b

    bound = bind(divide)
    assert (bound.__name__, bound.__doc__, bound(6, b=3)) == ("divide", "Doc.", 2)
    with pytest.raises(ZeroDivisionError):
        bound(1, b=0)
    assert current() is None


async def test_bind_holds_through_a_coroutine():
    async def work():
        await asyncio.sleep(0)
        return current().who()

    with audit_scope(actor=ALICE):
        bound = bind(work)
    assert await bound() == ALICE
    assert current() is None


async def test_a_task_that_outlives_the_request_keeps_its_scope():
    async def later():
        await asyncio.sleep(0.01)
        return current().who()

    with audit_scope(actor=ALICE):
        task = asyncio.create_task(later())
        copied = asyncio.create_task(asyncio.to_thread(lambda: current().who()))
    assert await task == ALICE
    assert await copied == ALICE


def test_a_plain_thread_has_no_scope():
    seen = []
    with audit_scope(actor=ALICE):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen == [None]
