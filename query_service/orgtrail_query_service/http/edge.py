"""What each request passes before it is routed, and each answer after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from orgtrail_query_service.http.accept import accepts_gzip
from orgtrail_query_service.problems import bad_request

log = structlog.get_logger("orgtrail.query")

Headers = Iterable[tuple[bytes, bytes]]

HEAD = "orgtrail_head"
"""The key of a request's scope that is true for HEAD: a route may leave out what costs."""


_MOST_BYTES = 65_536
"""An address and its headers together; the server only bounds what has not arrived yet."""

_VERSIONS = ("1.0", "1.1", "2")


_PIECE = 256 * 1024

CLOSING = "orgtrail_closing"
"""The key of a request's scope for an exit stack: what a route opened and an answer may leave."""


class BrokenOffError(Exception):
    """An answer cannot be completed: the transfer must not look as if it were."""


class Edge:
    """The outermost application.

    It removes the path prefix, if the proxy has not; answers HEAD like GET, without a body; reduces
    ``Accept-Encoding`` to gzip or nothing; and breaks off an answer that the client does not take
    or that cannot be completed.
    """

    def __init__(self, app: ASGIApp, prefix: str, stalled_after_s: float) -> None:
        """``prefix`` is empty or begins with a slash.

        A client may take ``stalled_after_s`` seconds for each piece of an answer, of 256 KB at
        most.
        """
        self._app = app
        self._prefix = prefix
        self._stalled_after_s = stalled_after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if "method" not in scope:  # a WebSocket or the server's start, which are not for us
            await self._app(scope, receive, send)
            return
        request: Any = scope
        if _size(request) > _MOST_BYTES or request["http_version"] not in _VERSIONS:
            await _refuse(send)
            return
        inner: Any = {
            **request,
            "path": self._without_prefix(request["path"]),
            "raw_path": self._without_prefix(request["raw_path"].decode("ascii")).encode("ascii"),
            "headers": _harmless(_with_one_encoding(request["headers"])),
        }
        if request["method"] == "HEAD":
            inner |= {"method": "GET", HEAD: True}
        started = False

        async def send_in_time(message: Message) -> None:
            nonlocal started
            started = True
            try:
                for piece in _pieces(message):
                    async with asyncio.timeout(self._stalled_after_s):
                        await send(piece)
            except TimeoutError:
                raise BrokenOffError("the client takes nothing") from None

        try:
            async with AsyncExitStack() as stack:
                inner[CLOSING] = stack
                await self._app(inner, receive, send_in_time)
        except Exception as error:
            reason = _broken_off(error)
            if reason is None or not started:
                raise
            # On return, the server closes the connection without the end of the answer.
            log.warning("answer_broken_off", reason=str(reason))

    def _without_prefix(self, path: str) -> str:
        if not self._prefix or not path.startswith(self._prefix):
            return path
        rest = path[len(self._prefix) :]
        if rest == "":
            return "/"
        return rest if rest.startswith("/") else path


def _pieces(message: Any) -> Iterator[Any]:
    """The message, its body in pieces: the server waits for the client only between two."""
    body = message.get("body", b"")
    if len(body) <= _PIECE:
        yield message
        return
    for start in range(0, len(body), _PIECE):
        end = start + _PIECE
        more = end < len(body) or message.get("more_body", False)
        yield {**message, "body": body[start:end], "more_body": more}


def _harmless(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Without what Litestar's check of forms stumbles over: ours are neither multipart nor odd."""
    return [
        (name, value)
        for name, value in headers
        if not (name == b"content-type" and value.lower().startswith(b"multipart/"))
        and (name != b"x-csrftoken" or value.isascii())
    ]


def _size(request: Any) -> int:
    headers = sum(len(name) + len(value) for name, value in request["headers"])
    return len(request["raw_path"]) + len(request["query_string"]) + headers


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    body = msgspec.json.encode(bad_request().body)
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _broken_off(error: BaseException | None) -> BrokenOffError | None:
    """The error that Litestar wrapped: by ``raise … from``, and in a group for a stream."""
    while error is not None and not isinstance(error, BrokenOffError):
        if isinstance(error, BaseExceptionGroup):
            return next((found for e in error.exceptions if (found := _broken_off(e))), None)
        error = error.__cause__
    return error


def _with_one_encoding(headers: Headers) -> list[tuple[bytes, bytes]]:
    accepted = b",".join(value for name, value in headers if name == b"accept-encoding")
    kept = [(name, value) for name, value in headers if name != b"accept-encoding"]
    if accepts_gzip(accepted.decode("latin-1")):
        kept.append((b"accept-encoding", b"gzip"))
    return kept
