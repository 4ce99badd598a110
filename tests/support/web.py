"""The web as the OpenID client sees it, without a network."""

from __future__ import annotations

import importlib

import httpx
from authlib.integrations.httpx_client import AsyncOAuth2Client

from orgtrail_query_service.auth import oidc

# Authlib uses httpx2 where it is installed, whose errors are not those of httpx.
library = importlib.import_module(
    next(c for c in AsyncOAuth2Client.__mro__ if c.__name__ == "AsyncClient").__module__.split(".")[
        0
    ]
)


class Web:
    """Answers each path with a status and content, or raises; remembers the requests."""

    def __init__(self, monkeypatch):
        self.answers, self.headers, self.requests = {}, {}, []
        for name, real, http in (
            ("httpx.AsyncClient", httpx.AsyncClient, httpx),
            ("AsyncOAuth2Client", AsyncOAuth2Client, library),
        ):
            monkeypatch.setattr(f"{oidc.__name__}.{name}", self._client(real, http))

    def _client(self, real, http):
        def handle(request):
            self.requests.append(request)
            answer = self.answers[request.url.path]
            if answer is None:
                raise http.ConnectError("no route")
            return http.Response(answer[0], content=answer[1], headers=self.headers)

        return lambda **given: real(**given, transport=http.MockTransport(handle))
