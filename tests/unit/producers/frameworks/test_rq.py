"""RQ: jobs in a fake Redis, run by RQ's own worker."""

import fakeredis
import pytest
from rq import Queue, Retry, SimpleWorker
from rq.serializers import JSONSerializer

from orgtrail import Actor, emit
from orgtrail.request import carrier
from orgtrail.rq import AuditJob
from orgtrail.scope import audit_scope, current

ALICE = {
    "actor": Actor(id="u-1", email="alice@acme.example"),
    "org_id": "acme",
    "request_id": "req-1",
}
_failures = []


def record(reason="job"):
    return emit("user.logout", metadata={"reason": reason})


def whose():
    return "" if current() is None else current().request_id


def fails_twice():
    record(str(len(_failures)))
    if len(_failures) < 2:
        _failures.append(1)
        raise KeyError


@pytest.fixture(params=[None, JSONSerializer])
def queue(request):
    return Queue(
        connection=fakeredis.FakeStrictRedis(),
        job_class=AuditJob,
        serializer=request.param,
    )


def work(queue):
    SimpleWorker(
        [queue], connection=queue.connection, job_class=AuditJob, serializer=queue.serializer
    ).work(burst=True)


def test_a_job_has_the_scope_of_whoever_enqueued_it(queue, events):
    with audit_scope(**ALICE):
        hers = queue.enqueue(record, meta={"own": "kept"})
        (many,) = queue.enqueue_many([Queue.prepare_data(record)])
    nobodys = queue.enqueue(whose)
    work(queue)
    assert [event.event_id for event in events] == [hers.return_value(), many.return_value()]
    assert [(e.actor.id, e.org_id, e.context.request_id) for e in events] == [
        ("u-1", "acme", "req-1")
    ] * 2
    assert hers.get_meta()["own"] == "kept"
    assert nobodys.return_value() == ""
    assert current() is None


def test_retries_keep_it(queue, events):
    _failures.clear()
    with audit_scope(**ALICE):
        queue.enqueue(fails_twice, retry=Retry(max=2))
    work(queue)
    assert [event.metadata["reason"] for event in events] == ["0", "1", "2"]
    assert {event.actor.id for event in events} == {"u-1"}


def test_a_job_of_a_job_and_a_dependency_keep_it(queue, events):
    with audit_scope(**ALICE):
        first = queue.enqueue(record, "first")
        queue.enqueue(record, "second", depends_on=first)
    work(queue)
    assert [event.metadata["reason"] for event in events] == ["first", "second"]
    assert {event.actor.id for event in events} == {"u-1"}


@pytest.mark.parametrize("junk", ["x", 5, {"v": "9"}, {"v": "1", "request_id": 7}])
def test_junk_in_the_metadata_is_ignored(queue, junk):
    job = queue.enqueue(whose, meta={carrier.KEY: junk})
    work(queue)
    assert job.return_value() == ""
