"""The ASGI middleware around an application without a framework."""

import sys

import pytest

from orgtrail import emit, scope
from orgtrail.asgi import AuditMiddleware, Connection


async def call(app, **scope):
    async def receive():
        return {"type": "http.request"}

    async def send(_message):
        pass

    await app({"type": "http", "headers": [], **scope}, receive, send)


async def test_without_a_framework(events, monkeypatch):
    monkeypatch.delitem(sys.modules, "starlette.requests", raising=False)

    async def app(scope, _receive, _send):
        scope["state"]["who"] = "u-1"
        scope["user"] = "u-2"
        emit("user.logout")

    def ask(connection):
        assert type(connection) is Connection
        with pytest.raises(AttributeError):
            connection.state.nobody  # noqa: B018
        return connection.state.who if connection.headers["x-which"] == "state" else connection.user

    middleware = AuditMiddleware(app, actor=ask, org_id=lambda _: "acme")
    await call(middleware, headers=[(b"x-which", b"state")])
    await call(middleware, headers=[(b"x-which", b"user")])
    assert [event.actor.id for event in events] == ["u-1", "u-2"]
    assert scope.current() is None


async def test_a_repeated_header_counts_once_and_a_repeated_traceparent_not_at_all(events):
    async def app(_scope, _receive, _send):
        emit("user.logout")

    middleware = AuditMiddleware(
        app, actor=lambda _: "u-1", org_id=lambda _: "acme", request_id_header="X-Id"
    )
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    twice = [(b"x-id", b"1"), (b"x-id", b"2"), (b"traceparent", trace), (b"traceparent", trace)]
    await call(middleware, headers=twice)
    assert (events[0].context.request_id, events[0].context.trace_id) == ("1", "")


async def test_what_is_no_request_is_passed_on():
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope)

    await AuditMiddleware(app)({"type": "lifespan"}, None, None)
    assert seen == [{"type": "lifespan"}]
