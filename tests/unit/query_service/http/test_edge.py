import asyncio
import contextlib

import pytest
from litestar.exceptions import LitestarException
from structlog.testing import capture_logs

from orgtrail_query_service.http.edge import CLOSING, HEAD, BrokenOffError, Edge


class Inner:
    """An application that remembers the request, and answers in pieces; an exception is raised."""

    def __init__(self, *pieces):
        self.pieces, self.scope = pieces, None

    async def __call__(self, scope, receive, send):
        self.scope = scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def ask(inner, path="/", prefix="", method="GET", send=None, version="1.1", **headers):
    sent = []

    async def collect(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "http_version": version,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }
    await Edge(inner, prefix, 0.05)(scope, None, send or collect)
    return sent


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/audit/orgs/a", "/orgs/a"),
        ("/audit", "/"),
        ("/audit/", "/"),
        ("/orgs/a", "/orgs/a"),
        ("/auditor", "/auditor"),
        ("/audit/audit/x", "/audit/x"),
    ],
)
async def test_a_prefix_is_removed_once_where_the_proxy_has_not(path, inside):
    inner = Inner()
    await ask(inner, path, "/audit")
    assert (inner.scope["path"], inner.scope["raw_path"]) == (inside, inside.encode())


async def test_head_is_answered_like_get():
    inner = Inner()
    await ask(inner, method="HEAD")
    assert (inner.scope["method"], inner.scope[HEAD]) == ("GET", True)
    await ask(inner)
    assert HEAD not in inner.scope


@pytest.mark.parametrize(
    ("accepted", "inside"),
    [("gzip;q=0", None), ("br, gzip;q=0.1", "gzip"), ("identity", None), ("*", "gzip")],
)
async def test_inside_there_is_gzip_or_nothing(accepted, inside):
    inner = Inner()
    await ask(inner, accept_encoding=accepted)
    assert dict(inner.scope["headers"]).get(b"accept-encoding") == (inside and inside.encode())


@pytest.mark.parametrize("given", [{"x_long": "a" * 66_000}, {"version": "9.9"}])
async def test_what_no_server_should_take_is_a_problem(given):
    inner = Inner()
    start, body = await ask(inner, **given)
    assert start["status"] == 400
    assert b"urn:orgtrail:problem:bad-request" in body["body"]
    assert inner.scope is None


async def test_an_answer_that_cannot_be_completed_has_no_end_and_one_line_in_the_log():
    wrapped = LitestarException("after the start")
    wrapped.__cause__ = ExceptionGroup("group", [BrokenOffError("ClickHouse is away")])
    with capture_logs() as logs:
        sent = await ask(Inner(b"1", wrapped))
    assert [message.get("more_body") for message in sent] == [None, True]
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("answer_broken_off", "ClickHouse is away")
    ]


async def test_a_defect_is_no_broken_answer():
    with pytest.raises(RuntimeError):
        await ask(Inner(b"1", RuntimeError()))


async def test_a_client_that_takes_nothing_does_not_keep_its_place():
    async def send(message):
        if message.get("body"):
            await asyncio.sleep(60)

    with capture_logs() as logs:
        await ask(Inner(b"1"), send=send)
    assert [entry["reason"] for entry in logs] == ["the client takes nothing"]


async def test_a_large_body_goes_in_pieces_that_are_waited_for():
    body = bytes(range(256)) * 3000

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    _, *pieces = await ask(app)
    assert b"".join(piece["body"] for piece in pieces) == body
    assert [piece["more_body"] for piece in pieces] == [True, True, False]
    assert max(len(piece["body"]) for piece in pieces) <= 256 * 1024


@pytest.mark.parametrize("ends", [None, RuntimeError(), asyncio.CancelledError()])
async def test_what_a_route_opened_is_closed_however_the_answer_ends(ends):
    closed = []

    async def close():
        closed.append(True)

    async def app(scope, _receive, send):
        scope[CLOSING].push_async_callback(close)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if ends:
            raise ends

    with contextlib.suppress(RuntimeError, asyncio.CancelledError):
        await ask(app)
    assert closed == [True]


async def test_what_the_check_of_forms_stumbles_over_is_left_out():
    inner = Inner()
    await ask(inner, content_type="multipart/form-data; boundary=x", x_csrftoken="é")
    assert not {b"content-type", b"x-csrftoken"} & dict(inner.scope["headers"]).keys()
    await ask(inner, content_type="application/x-www-form-urlencoded", x_csrftoken="abc")
    assert {b"content-type", b"x-csrftoken"} <= dict(inner.scope["headers"]).keys()
