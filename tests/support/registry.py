"""A stub of a Confluent-compatible registry: one schema, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from orgtrail_schemas.event_schema import current_schema

REGISTRY_ID = 1


class _Registry(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path.split("?")[0] == f"/schemas/ids/{REGISTRY_ID}"
        missing = {"error_code": 40403, "message": "Schema not found"}
        body = json.dumps({"schema": current_schema().plain_json} if known else missing).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def registry() -> Iterator[str]:
    """A registry that knows the current schema as ``REGISTRY_ID``; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
