"""FastAPI and Starlette through the ASGI middleware."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.authentication import AuthCredentials, SimpleUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from orgtrail import Actor, emit
from orgtrail import scope as scopes
from orgtrail.asgi import AuditMiddleware

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def alice(name="alice"):
    return {"id": f"u-{name}", "email": f"{name}@acme.example"}


def record(event="user.logout", **more):
    return emit(event, org_id="acme", **more)


def client(app, peer="203.0.113.9", **more):
    transport = httpx.ASGITransport(app, client=(peer, 4711), **more)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def service(**options):
    app = FastAPI()
    app.add_middleware(AuditMiddleware, **options)
    return app


async def get(app, path="/", peer="203.0.113.9", **more):
    async with client(app, peer) as opened:
        return await opened.get(path, **more)


async def test_what_the_request_tells(events):
    app = service(actor=lambda r: r.headers["x-user"], org_id=lambda r: r.query_params["org"])

    @app.get("/")
    async def handler():
        return emit("user.logout")

    sent = {
        "user-agent": "curl/8",
        "x-request-id": "req-1",
        "traceparent": TRACEPARENT,
        "x-user": "u-1",
        "x-forwarded-for": "6.6.6.6",
    }
    answer = await get(app, "/?org=globex", headers=sent)
    (event,) = events
    assert answer.json() == event.event_id
    assert (event.org_id, event.actor.id) == ("globex", "u-1")
    where = event.context
    assert (where.ip, where.user_agent, where.request_id) == ("203.0.113.9", "curl/8", "req-1")
    assert where.trace_id == TRACEPARENT[3:35]


@pytest.mark.parametrize("dependency_is_async", [True, False])
@pytest.mark.parametrize("handler_is_async", [True, False])
@pytest.mark.parametrize("how", ["state", "scope"])
async def test_the_actor_that_a_dependency_sets(events, dependency_is_async, handler_is_async, how):
    app = service(actor=(lambda r: r.state.user) if how == "state" else None)

    def sign_in(request):
        if how == "state":
            request.state.user = alice()
        else:
            scopes.update(actor=alice(), session_id="ses-1")

    if dependency_is_async:

        async def user(request: Request):
            sign_in(request)
    else:

        def user(request: Request):
            sign_in(request)

    if handler_is_async:

        @app.get("/", dependencies=[Depends(user)])
        async def handler():
            record()
    else:

        @app.get("/", dependencies=[Depends(user)])
        def handler():
            record()

    assert (await get(app)).status_code == 200
    assert [event.actor.id for event in events] == ["u-alice"]
    assert events[0].context.session_id == ("" if how == "state" else "ses-1")


class SignIn:
    """Somebody else's middleware, which hands on a copy of the ASGI scope."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        inner = dict(scope)
        inner.setdefault("state", {})["user"] = alice()
        await self.app(inner, receive, send)


async def _dispatch(request, call_next):
    request.state.user = alice()
    return await call_next(request)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kind", ["pure", "base"])
async def test_the_order_of_middlewares_does_not_matter(events, first, kind):
    app = FastAPI()

    @app.get("/")
    async def handler():
        record()

    audit = (AuditMiddleware, {"actor": lambda r: r.state.user})
    other = (SignIn, {}) if kind == "pure" else (BaseHTTPMiddleware, {"dispatch": _dispatch})
    for middleware, options in (other, audit) if first else (audit, other):
        app.add_middleware(middleware, **options)
    assert (await get(app)).status_code == 200
    assert [event.actor.id for event in events] == ["u-alice"]


async def test_the_user_of_starlettes_authentication(events):
    class Backend:
        async def authenticate(self, _connection):
            return AuthCredentials(["authenticated"]), SimpleUser("alice")

    app = FastAPI()
    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    app.add_middleware(AuditMiddleware, actor=lambda r: r.user)

    @app.get("/")
    def handler():
        record()

    assert (await get(app)).status_code == 200
    assert events[0].actor == Actor(id="alice", name="alice")


async def test_background_tasks(events):
    app = service(actor=lambda r: r.state.user)

    def in_a_thread(name):
        record(metadata={"reason": name})

    async def in_the_loop(name):
        await asyncio.sleep(0)
        record(metadata={"reason": name})

    @app.get("/")
    async def handler(request: Request, later: BackgroundTasks):
        request.state.user = alice()
        later.add_task(in_a_thread, "thread")
        later.add_task(in_the_loop, "loop")

    await get(app, headers={"x-request-id": "req-1"})
    assert [event.metadata["reason"] for event in events] == ["thread", "loop"]
    assert {event.actor.id for event in events} == {"u-alice"}
    assert {event.context.request_id for event in events} == {"req-1"}


async def test_a_hundred_requests_at_once_do_not_mix(events):
    app = service(actor=lambda r: r.state.user)
    gate = asyncio.Event()
    waiting = 0

    def user(request: Request):
        request.state.user = alice(request.headers["x-user"])

    @app.get("/", dependencies=[Depends(user)])
    async def handler(later: BackgroundTasks):
        nonlocal waiting
        waiting += 1
        if waiting == 100:
            gate.set()
        await gate.wait()
        record()
        await asyncio.to_thread(record)
        later.add_task(record)

    async with client(app) as opened:
        await asyncio.gather(
            *(
                opened.get("/", headers={"x-user": str(n), "x-request-id": str(n)})
                for n in range(100)
            )
        )
    assert len(events) == 300
    assert {(e.actor.id, e.context.request_id) for e in events} == {
        (f"u-{n}", str(n)) for n in range(100)
    }


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_streaming_response(events, asynchronous):
    app = service(actor=lambda r: r.headers["x-user"])

    def parts():
        for n in range(3):
            record(metadata={"reason": str(n)})
            yield b"part"

    async def async_parts():
        for part in parts():
            await asyncio.sleep(0)
            yield part

    @app.get("/")
    def handler():
        return StreamingResponse(async_parts() if asynchronous else parts())

    assert (await get(app, headers={"x-user": "u-1"})).text == "partpartpart"
    assert [event.actor.id for event in events] == ["u-1"] * 3


async def test_an_exception_in_a_handler_and_in_its_handler(events):
    app = service(actor=lambda _: alice())

    @app.exception_handler(KeyError)
    async def handle(_request, _error):
        record(outcome="failure")
        return PlainTextResponse("no", 418)

    @app.get("/handled")
    async def handled():
        raise KeyError

    @app.get("/not")
    async def not_handled():
        record(outcome="denied")
        raise ZeroDivisionError

    assert (await get(app, "/handled")).status_code == 418
    with pytest.raises(ZeroDivisionError):
        await get(app, "/not")
    assert [event.outcome for event in events] == ["failure", "denied"]


def test_a_websocket_and_the_lifespan(events):
    began = []

    @asynccontextmanager
    async def lifespan(_app):
        began.append(scopes.current())
        yield {"pool": "shared"}

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(AuditMiddleware, actor=lambda c: c.state.user)

    @app.websocket("/")
    async def talk(socket: WebSocket):
        await socket.accept()
        assert socket.state.pool == "shared"
        socket.state.user = alice()
        async for _text in socket.iter_text():
            record()
            await socket.send_text("ok")

    with TestClient(app) as opened:
        for _ in range(2):
            with opened.websocket_connect("/", headers={"x-request-id": "req-1"}) as socket:
                socket.send_text("x")
                assert socket.receive_text() == "ok"
    assert began == [None]
    assert [(e.actor.id, e.context.request_id) for e in events] == [("u-alice", "req-1")] * 2


async def test_functions_that_raise_stop_neither_request_nor_event(events, caplog):
    app = service(actor=lambda r: r.state.nobody)

    @app.get("/")
    async def handler():
        record()

    with caplog.at_level(logging.ERROR, "orgtrail"):
        assert (await get(app)).status_code == 200
        assert (await get(app)).status_code == 200
    assert [event.actor.id for event in events] == ["unknown", "unknown"]
    assert events[0].metadata["orgtrail.repaired"] == "actor: neither id nor email"
    assert len(caplog.records) == 1


async def test_they_are_not_asked_by_requests_that_emit_nothing():
    asked = []
    app = service(actor=asked.append)

    @app.get("/")
    async def handler():
        return None

    await get(app)
    assert asked == []


# What any client can send to the handler that anybody writes.
HOSTILE = {
    "an ordinary request": {"headers": {"user-agent": "curl/8"}},
    "no user agent": {"headers": {}},
    "a long user agent": {"headers": {"user-agent": "x" * 5_000}},
    "forwarded for unknown": {"headers": {"x-forwarded-for": "unknown"}},
    "forwarded for a port": {"headers": {"x-forwarded-for": "203.0.113.9:4711"}},
    "forwarded for IPv6": {"headers": {"x-forwarded-for": "2a00:1450::1"}},
    "a lone surrogate": {"headers": {}, "content": b'{"name": "\\ud800"}'},
    "a header that is not UTF-8": {
        "headers": {b"user-agent": b"\xff\xfe", b"x-request-id": b"\xe9"}
    },
    "a traceparent of junk": {"headers": {"traceparent": "x" * 10_000}},
}
ADDRESSES = ["10.0.0.1"] * 4 + ["203.0.113.9", "2a00:1450::1"] + ["10.0.0.1"] * 3


async def test_nothing_that_a_client_sends_switches_auditing_off(events):
    app = service(actor=lambda _: alice(), trusted_proxies="10.0.0.0/8")

    @app.post("/")
    async def handler(request: Request):
        body = await request.body()
        name = json.loads(body)["name"] if body else "Alice"
        record("user.profile.updated", metadata={"reason": name})

    codes = []
    for request in HOSTILE.values():
        async with client(app, "10.0.0.1") as opened:
            opened.headers.clear()
            codes.append((await opened.post("/", **request)).status_code)
    assert codes == [200] * len(HOSTILE)
    assert len(events) == len(HOSTILE)
    assert [event.context.ip for event in events] == ADDRESSES
    assert events[6].metadata["reason"] == "\ufffd"
    assert events[7].context.request_id == "é"


def test_the_test_client_is_no_special_case(events):
    app = service(actor=lambda _: alice())

    @app.get("/")
    def handler():
        record()

    assert TestClient(app).get("/").status_code == 200
    assert events[0].metadata["orgtrail.ip"] == "testclient"


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        # Uvicorn has looked through what it trusts, and its client has port 0.
        ("127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("198.51.100.7", "6.6.6.6", "198.51.100.7"),
    ],
)
async def test_behind_uvicorns_own_proxy_headers(events, peer, header, address):
    app = service(actor=lambda _: alice(), trusted_proxies="127.0.0.1, 10.0.0.0/8")

    @app.get("/")
    async def handler():
        record()

    await get(ProxyHeadersMiddleware(app), peer=peer, headers={"x-forwarded-for": header})
    assert [event.context.ip for event in events] == [address]


@pytest.mark.parametrize(("trusted", "address"), [("unix", "203.0.113.9"), ("10.0.0.0/8", "")])
async def test_a_unix_socket_has_no_peer(events, trusted, address):
    app = service(actor=lambda _: alice(), trusted_proxies=trusted)

    @app.get("/")
    async def handler():
        record()

    async def on_a_socket(scope, receive, send):
        await app(scope | {"client": None}, receive, send)

    await get(on_a_socket, headers={"x-forwarded-for": "203.0.113.9"})
    assert [event.context.ip for event in events] == [address]
