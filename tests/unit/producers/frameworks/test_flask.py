"""Flask, by ``orgtrail.flask.init``."""

import threading

import pytest
from flask import Flask, g, request, stream_with_context
from werkzeug.local import LocalProxy

import orgtrail.flask
from orgtrail import emit
from orgtrail import scope as scopes

ALICE = {"id": "u-1", "email": "alice@acme.example"}


def service(**options):
    app = Flask(__name__)

    @app.before_request
    def sign_in():
        if "X-User" in request.headers:
            g.user = request.user = {"id": request.headers["X-User"]}

    orgtrail.flask.init(app, org_id=lambda r: r.headers.get("X-Org", "acme"), **options)
    return app


ACTORS = {
    "a function of g": lambda _request: g.user,
    "a function of the request": lambda r: {"id": r.headers["X-User"]},
    "what the request was given": lambda r: r.user,
    "a proxy": LocalProxy(lambda: g.user),
}


@pytest.mark.parametrize("how", ACTORS)
def test_the_actor(events, how):
    app = service(actor=ACTORS[how], trusted_proxies="127.0.0.1")

    @app.get("/")
    def handler():
        return emit("user.logout")

    sent = {
        "X-User": "u-7",
        "X-Org": "globex",
        "X-Request-Id": "req-1",
        "X-Forwarded-For": "203.0.113.9:5",
    }
    answer = app.test_client().get("/", headers=sent)
    (event,) = events
    assert answer.text == event.event_id
    assert (event.actor.id, event.org_id) == ("u-7", "globex")
    assert (event.context.ip, event.context.request_id) == ("203.0.113.9", "req-1")


def test_an_actor_that_nobody_set_stops_nothing(events):
    app = service(actor=lambda _request: g.user)

    @app.get("/")
    def handler():
        return emit("user.logout")

    assert app.test_client().get("/").status_code == 200
    assert events[0].actor.id == "unknown"


def test_streams_errors_and_teardown(events):
    app = service(actor=lambda r: r.headers["X-User"])

    def record(reason):
        emit("user.logout", metadata={"reason": reason})

    @app.get("/")
    def handler():
        def parts():
            record("stream")
            yield "part"

        return stream_with_context(parts())

    @app.get("/error")
    def error():
        raise KeyError

    @app.errorhandler(KeyError)
    def handle(_error):
        record("error")
        return "no", 418

    @app.teardown_request
    def teardown(_error):
        record("teardown")

    client = app.test_client()
    assert client.get("/", headers={"X-User": "u-1"}).text == "part"
    assert client.get("/error", headers={"X-User": "u-2"}).status_code == 418
    assert {(event.actor.id, event.metadata["reason"]) for event in events} == {
        ("u-1", "stream"),
        ("u-1", "teardown"),
        ("u-2", "error"),
        ("u-2", "teardown"),
    }


def test_asynchronous_views(events):
    app = service(actor=lambda _request: g.user)

    @app.get("/")
    async def handler():
        return emit("user.logout")

    assert app.test_client().get("/", headers={"X-User": "u-7"}).status_code == 200
    assert events[0].actor.id == "u-7"


def test_a_stream_without_flasks_context(events):
    app = service(actor=lambda r: r.headers["X-User"])

    @app.get("/")
    def handler():
        def parts():
            yield emit("user.logout")

        return parts()

    assert app.test_client().get("/", headers={"X-User": "u-1"}).status_code == 200
    assert events[0].actor.id == "u-1"


def test_a_thread_of_a_view(events):
    app = service(actor=lambda _request: g.user)

    @app.get("/")
    def handler():
        thread = threading.Thread(target=scopes.bind(emit), args=("user.logout",))
        thread.start()
        thread.join()
        return "ok"

    app.test_client().get("/", headers={"X-User": "u-7"})
    assert events[0].actor.id == "u-7"


def test_requests_of_many_threads_do_not_mix(events):
    app = service(actor=lambda _request: g.user)
    gate = threading.Barrier(20)

    @app.get("/")
    def handler():
        gate.wait(10)
        return emit("user.logout")

    def call(n):
        app.test_client().get("/", headers={"X-User": f"u-{n}", "X-Request-Id": f"u-{n}"})

    threads = [threading.Thread(target=call, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event.actor.id for event in events}) == 20
    assert all(event.actor.id == event.context.request_id for event in events)
