"""Answers of the HTTP server itself, to requests that never reach the application."""

from __future__ import annotations

import asyncio
import socket
import struct

import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from orgtrail_query_service.problems import bad_request

_GRACE_S = 30
_RESET = struct.pack("ii", 1, 0)


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1 and 1.0, with RFC 9457 as the answer to a malformed or too long request.

    Not its faster protocol, which sends chunks to HTTP/1.0 clients: most installed versions of
    nginx are such clients by default.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Watch how the connection is closed."""
        super().connection_made(_Transport(transport, self))  # type: ignore[arg-type]

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer and close. An answer that has begun is reset instead."""
        if self.cycle is not None and (not self.cycle.response_complete or self.cycle.more_body):
            self.transport.close()
            return
        body = msgspec.json.encode(bad_request().body)
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also to a client that never took the end of its answer."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(_GRACE_S, self.transport.abort)

    @property
    def is_midway(self) -> bool:
        """Whether an answer has begun and not ended."""
        return (
            self.cycle is not None
            and self.cycle.response_started
            and not self.cycle.response_complete
        )


class _Transport:
    """Resets the connection where it would be closed in the middle of an answer.

    To a client of HTTP/1.0, a closed connection is the end of a complete answer.
    """

    def __init__(self, transport: asyncio.Transport, protocol: Protocol) -> None:
        self._transport = transport
        self._protocol = protocol

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def close(self) -> None:
        if not self._protocol.is_midway:
            self._transport.close()
            return
        line: socket.socket | None = self._transport.get_extra_info("socket")
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
