"""Celery: an in-memory broker and a real worker, and tasks that run at once."""

import logging

import pytest
from celery import Celery, chain, chord, group, signals
from celery.contrib.testing.worker import start_worker

import orgtrail.celery
from orgtrail import Actor, emit
from orgtrail.request import carrier
from orgtrail.scope import Scope, audit_scope, current

ALICE = {
    "actor": Actor(id="u-1", email="alice@acme.example"),
    "org_id": "acme",
    "request_id": "req-1",
}


@pytest.fixture(scope="module")
def app():
    made = Celery("test", broker="memory://", backend="cache+memory://")
    made.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
    orgtrail.celery.init(made)
    orgtrail.celery.init(made)  # twice does no harm

    @made.task(name="record")
    def record(*_before, reason="task"):
        return emit("user.logout", metadata={"reason": reason})

    @made.task(name="retried", bind=True, max_retries=2)
    def retried(self):
        emit("user.logout", metadata={"reason": str(self.request.retries)})
        if self.request.retries < 2:
            raise self.retry(countdown=0)
        return "ok"

    @made.task(name="whose")
    def whose():
        return None if current() is None else current().request_id

    @made.task(name="sends")
    def sends():
        emit("user.logout", metadata={"reason": "outer"})
        record.delay(reason="inner")

    @made.task(name="fails")
    def fails():
        raise KeyError

    yield made
    for signal in (signals.before_task_publish, signals.task_prerun, signals.task_postrun):
        for uid in ("orgtrail.send", "orgtrail.begin", "orgtrail.end"):
            signal.disconnect(dispatch_uid=uid)


@pytest.fixture(scope="module")
def worker(app):
    root = logging.getLogger()
    level = root.level
    with start_worker(app, perform_ping_check=False, shutdown_timeout=20) as started:
        # It sets the level of the root logger, for this and all tests that follow.
        root.setLevel(level)
        yield started


def people(events):
    return [(event.actor.id, event.org_id, event.context.request_id) for event in events]


HER = ("u-1", "acme", "req-1")


def test_a_worker_has_the_scope_of_whoever_sent_the_task(app, worker, events):
    with audit_scope(**ALICE):
        sent = app.tasks["record"].delay()
    with audit_scope(actor=Actor(id="u-2"), org_id="globex"):
        other = app.send_task("record")
    made = [sent.get(timeout=20), other.get(timeout=20)]
    assert [event.event_id for event in events] == made
    assert people(events) == [HER, ("u-2", "globex", "")]


def test_a_task_that_nobody_sent_has_no_scope(app, worker):
    """As beat sends them; the one before leaves nothing behind, even when it fails."""
    with audit_scope(**ALICE):
        failed = app.tasks["fails"].delay()
    with pytest.raises(KeyError):
        failed.get(timeout=20)
    assert app.tasks["whose"].delay().get(timeout=20) is None


def test_retries_keep_it(app, worker, events):
    with audit_scope(**ALICE):
        assert app.tasks["retried"].delay().get(timeout=20) == "ok"
    assert [event.metadata["reason"] for event in events] == ["0", "1", "2"]
    assert people(events) == [HER] * 3


def test_chains_groups_chords_and_tasks_of_tasks_keep_it(app, worker, events):
    record = app.tasks["record"]
    with audit_scope(**ALICE):
        chained = chain(record.s(reason="1"), record.s(reason="2"), record.s(reason="3"))()
        grouped = group(record.s(reason="4"), record.s(reason="5"))()
    chained.get(timeout=20)
    grouped.get(timeout=20)
    with audit_scope(**ALICE):
        nested = app.tasks["sends"].delay()
    nested.get(timeout=20)
    assert app.tasks["whose"].delay().get(timeout=20) is None  # so the inner one has run
    assert sorted(event.metadata["reason"] for event in events) == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "inner",
        "outer",
    ]
    assert set(people(events)) == {HER}


def test_a_message_that_is_sent_again_keeps_it(app, worker, events):
    carried = carrier.dump(Scope(**ALICE))
    app.send_task("record", headers={carrier.KEY: carried}).get(timeout=20)
    with audit_scope(actor=Actor(id="u-2"), org_id="globex"):
        app.send_task("record", headers={carrier.KEY: carried}).get(timeout=20)
    assert people(events) == [HER, ("u-2", "globex", "")]


@pytest.mark.parametrize("junk", ["x", 5, {"v": "9"}, {"v": "1", "actor.type": 7}, ["v"]])
def test_junk_in_the_header_is_ignored(app, worker, junk):
    sent = app.send_task("whose", headers={carrier.KEY: junk})
    assert not sent.get(timeout=20)


@pytest.fixture
def eager(app):
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def test_a_task_leaves_its_scope(app):
    """A thread of a worker does other things between two tasks."""
    task = app.tasks["whose"]
    task.push_request(**{carrier.KEY: carrier.dump(Scope(**ALICE))})
    signals.task_prerun.send(sender=task, task=task)
    assert current().request_id == "req-1"
    signals.task_postrun.send(sender=task, task=task)
    signals.task_postrun.send(sender=task, task=task)
    assert current() is None
    task.pop_request()


def test_eager_tasks_run_within_the_request(app, events, eager):
    with audit_scope(**ALICE) as scope:
        app.tasks["record"].delay()
        app.tasks["sends"].delay()
        chord([app.tasks["record"].s()])(app.tasks["record"].s())
        assert current() is scope
    assert set(people(events)) == {HER}
    assert len(events) == 5
    assert app.tasks["whose"].delay().get() is None


def test_the_message_holds_texts_only(app):
    kept = []

    def look(headers=None, **_more):
        kept.append(headers)

    signals.before_task_publish.connect(look)
    with audit_scope(**ALICE):
        app.tasks["whose"].delay()
    signals.before_task_publish.disconnect(look)
    assert kept[0][carrier.KEY]["actor.id"] == "u-1"
    assert all(type(value) is str for value in kept[0][carrier.KEY].values())
