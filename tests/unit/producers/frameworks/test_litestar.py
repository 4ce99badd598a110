"""Litestar through the ASGI middleware."""

import asyncio

import pytest
from litestar import Litestar, Request, WebSocket, get, websocket
from litestar.background_tasks import BackgroundTask
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.middleware import (
    AbstractAuthenticationMiddleware,
    AuthenticationResult,
    DefineMiddleware,
)
from litestar.response import Response, Stream
from litestar.testing import TestClient

from orgtrail import emit
from orgtrail.asgi import AuditMiddleware

ALICE = {"id": "u-1", "email": "alice@acme.example"}


class SignIn(AbstractAuthenticationMiddleware):
    async def authenticate_request(self, connection):
        return AuthenticationResult(user=ALICE, auth=None)


def serve(*handlers, actor, after=(), **more):
    audit = DefineMiddleware(AuditMiddleware, actor=actor, org_id=lambda _: "acme")
    return TestClient(Litestar([*handlers], middleware=[*after, audit], **more))


@pytest.mark.parametrize("sync", [True, False])
def test_the_actor_that_a_dependency_notes(events, sync):
    if sync:

        def user(request: Request) -> str:
            request.state.user = ALICE
            return "x"
    else:

        async def user(request: Request) -> str:
            request.state.user = ALICE
            return "x"

    provide = Provide(user, sync_to_thread=True) if sync else Provide(user)

    @get("/", dependencies={"user": provide}, sync_to_thread=True)
    def handler(user: NamedDependency[str]) -> str:
        return emit("user.logout")

    with serve(handler, actor=lambda c: c.state.user) as client:
        assert client.get("/", headers={"x-request-id": "req-1"}).status_code == 200
    (event,) = events
    assert (event.actor.id, event.org_id, event.context.request_id) == ("u-1", "acme", "req-1")


@pytest.mark.parametrize("before", [True, False])
def test_the_user_of_litestars_authentication(events, before):
    asked = []

    def actor(connection):
        asked.append(type(connection))
        return connection.user

    @get("/")
    async def handler() -> None:
        emit("user.logout")

    order = [SignIn] if before else []
    app = Litestar(
        [handler],
        middleware=[
            *order,
            DefineMiddleware(AuditMiddleware, actor=actor, org_id=lambda _: "acme"),
            *([] if before else [SignIn]),
        ],
    )
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
    assert events[0].actor.id == "u-1"
    assert asked == [ASGIConnection]


def test_a_stream_a_background_task_and_an_error(events):
    async def parts():
        emit("user.logout", metadata={"reason": "stream"})
        yield "part"

    async def later():
        await asyncio.sleep(0)
        emit("user.logout", metadata={"reason": "task"})

    @get("/stream")
    async def stream() -> Stream:
        return Stream(parts())

    @get("/task")
    async def task() -> Response[str]:
        return Response("ok", background=BackgroundTask(later))

    def handle(_request: Request, _error: Exception) -> Response[str]:
        emit("user.logout", metadata={"reason": "error"})
        return Response("no", status_code=418)

    @get("/error")
    async def error() -> None:
        raise KeyError

    handlers = (stream, task, error)
    with serve(*handlers, actor=lambda _: ALICE, exception_handlers={KeyError: handle}) as client:
        answers = [client.get(path).status_code for path in ("/stream", "/task", "/error")]
    assert answers == [200, 200, 418]
    assert [event.metadata["reason"] for event in events] == ["stream", "task", "error"]
    assert {event.actor.id for event in events} == {"u-1"}


def test_a_websocket(events):
    @websocket("/")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        socket.state.user = ALICE
        emit("user.logout")
        await socket.send_text("ok")
        await socket.close()

    with (
        serve(talk, actor=lambda c: c.state.user) as client,
        client.websocket_connect("/") as socket,
    ):
        assert socket.receive_text() == "ok"
    assert events[0].actor.id == "u-1"
