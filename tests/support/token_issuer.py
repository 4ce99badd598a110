"""An OAuth issuer for machines: a token endpoint (client credentials) and its public keys."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from orgtrail_deploy.local.ports import LOOPBACK

AUDIENCE = "kafka"


class TokenIssuer:
    """Knows its clients' secrets. A token's subject is its client; it is valid for ``lasts`` s."""

    def __init__(self, secrets: dict[str, str], lasts: int = 60) -> None:
        self.secrets, self.lasts, self.issued = secrets, lasts, 0
        key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self._key, issuer = key, self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, KeySet([key]).as_dict(private=False))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                scheme, _, given = self.headers.get("Authorization", "").partition(" ")
                client, _, secret = base64.b64decode(given).decode().partition(":")
                client, secret = map(urllib.parse.unquote_plus, (client, secret))
                if scheme != "Basic" or issuer.secrets.get(client) != secret:
                    return self._answer(401, {"error": "invalid_client"})
                return self._answer(200, issuer.token(client))

            def _answer(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                return

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def document(self) -> dict[str, str]:
        """What a broker needs to know."""
        return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", "audience": AUDIENCE}

    def token(self, client: str) -> dict[str, Any]:
        self.issued += 1
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": AUDIENCE, "sub": client, "iat": now, "exp": now + self.lasts,
        }  # fmt: skip
        header = {"alg": "RS256", "kid": self._key.kid}
        token = jwt.encode(header, claims, self._key)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.lasts}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
