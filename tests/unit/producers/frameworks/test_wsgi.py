"""The WSGI middleware: the scope lives until the response is closed, and no longer."""

import io
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from orgtrail import emit
from orgtrail import scope as scopes
from orgtrail.wsgi import AuditMiddleware

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def environ(**more):
    made = {"QUERY_STRING": "", "REMOTE_ADDR": "203.0.113.9", "app.user": {"id": "u-1"}, **more}
    setup_testing_defaults(made)
    return made


def start(_status, _headers, _error=None):
    return lambda _data: None


def record(reason):
    emit("user.logout", metadata={"reason": reason})


class Streamed:
    def __init__(self):
        self.parts = iter([b"a", b"b"])

    def __iter__(self):
        record("iter")
        return self

    def __next__(self):
        record("next")
        return next(self.parts)

    def close(self):
        record("close")


def app_of(response):
    def app(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        record("call")
        return response

    return app


def wrapped(app, **more):
    ask = {"actor": lambda e: e["app.user"], "org_id": lambda _: "acme"}
    return AuditMiddleware(app, **ask, **more)


def test_what_the_request_tells(events):
    sent = {
        "HTTP_USER_AGENT": "caf\u00c3\u00a9",  # UTF-8, as WSGI hands it on
        "HTTP_X_CORRELATION_ID": "req-1",
        "HTTP_TRACEPARENT": TRACEPARENT,
        "HTTP_X_FORWARDED_FOR": "6.6.6.6, 80.67.169.12",
    }
    more = {"trusted_proxies": ["203.0.113.0/24"], "request_id_header": "X-Correlation-Id"}
    wrapped(app_of([]), **more)(environ(**sent), start)
    where = events[0].context
    assert (where.ip, where.user_agent, where.request_id) == ("80.67.169.12", "café", "req-1")
    assert (events[0].actor.id, events[0].org_id) == ("u-1", "acme")
    assert where.trace_id == TRACEPARENT[3:35]


def test_the_scope_lives_until_the_response_is_closed(events):
    response = wrapped(app_of(Streamed()))(environ(), start)
    for _part in response:
        assert scopes.current() is None  # the server's own code has none
    response.close()
    reasons = ["call", "iter", "next", "next", "next", "close"]
    assert [event.metadata["reason"] for event in events] == reasons
    assert scopes.current() is None


def test_the_generator_of_an_application(events):
    def app(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        record("first")
        yield b"part"
        record("second")

    response = validator(wrapped(app))(environ(), start)
    assert b"".join(response) == b"part"
    response.close()
    assert [event.metadata["reason"] for event in events] == ["first", "second"]


def test_an_error_leaves_no_scope_behind():
    def app(_environ, _start):
        assert scopes.current() is not None
        raise KeyError

    with pytest.raises(KeyError):
        wrapped(app)(environ(), start)


def test_what_servers_send_faster_is_handed_on_as_it_is():
    listed, file = [b"whole"], FileWrapper(io.BytesIO(b"file"))
    assert wrapped(app_of(listed))(environ(), start) is listed
    given = environ(**{"wsgi.file_wrapper": FileWrapper})
    assert wrapped(app_of(file))(given, start) is file


@pytest.mark.parametrize("hostile", [{}, {"REMOTE_ADDR": None}, {"REMOTE_ADDR": ""}])
def test_an_environment_with_nothing_in_it(events, hostile):
    wrapped(app_of([]))({"app.user": "u-1", **hostile, "HTTP_USER_AGENT": "\ud800"}, start)
    assert events[0].context.ip == ""
    assert events[0].context.user_agent == "?"
