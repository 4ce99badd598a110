"""Answers of the HTTP server itself, to requests that never reach the application."""

from __future__ import annotations

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orgtrail_query_service.problems import bad_request


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, with RFC 9457 as the answer to a malformed or too long request."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer and close."""
        body = msgspec.json.encode(bad_request().body)
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
