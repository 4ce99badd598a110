"""An issuer's key server over real HTTP: keys that rotate, and outages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey


class KeyServer:
    """Publishes the keys in ``keys``; ``status`` other than 200 is an outage."""

    def __init__(self) -> None:
        self.keys: list[ECKey] = []
        self.status = 200
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps({"keys": [k.as_dict(private=False) for k in outer.keys]})
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add_key(self, kid: str) -> ECKey:
        key = ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256"})
        self.keys.append(key)
        return key

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """One for the block."""
    made = KeyServer()
    try:
        yield made
    finally:
        made.close()


def sign(key: ECKey, org: str, **claims: Any) -> str:
    """A token of the local issuer's name for an administrator of an organization."""
    made = {
        "iss": "urn:orgtrail:local",
        "aud": "orgtrail",
        "sub": "alice",
        "exp": int(time.time()) + 600,
        "org_roles": {org: ["admin"]},
        **claims,
    }
    return str(jwt.encode({"alg": "ES256", "kid": key.kid}, made, key, algorithms=["ES256"]))
