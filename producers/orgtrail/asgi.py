"""Request scopes for Starlette, FastAPI, Litestar and any other ASGI application.

For FastAPI and Starlette: ``app.add_middleware(AuditMiddleware, actor=lambda r: r.state.user)``.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from orgtrail.request.reader import Middleware
from orgtrail.scope import enter, leave

AsgiScope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class AuditMiddleware(Middleware[AsgiApp]):
    """Opens a scope for each HTTP request and websocket while the application handles it.

    Starlette's streaming responses and background tasks run in the scope too. ``actor`` and
    ``org_id`` are called at each ``emit`` with the framework's connection (``request.state``,
    ``request.user``, ``request.headers``). If one of them raises, the error is logged once, and
    neither the request nor the event fails. ``trusted_proxies`` are networks
    (``orgtrail.request.proxies``). By default no proxy is trusted, and the client's address is
    that of the peer.

    Raises:
        SettingsError: ``trusted_proxies`` is not a list of networks.
    """

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Run the application in the scope of this request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        # An inner middleware may copy the ASGI scope. Create the state here, so that all copies
        # share the one that the actor is read from.
        scope.setdefault("state", {})
        client = scope.get("client")
        token = enter(
            self._requests.scope(
                str(client[0] or "") if client else "",
                scope["headers"],
                partial(connection, scope),
            )
        )
        try:
            await self.app(scope, receive, send)
        finally:
            leave(token)


def connection(scope: AsgiScope) -> Any:
    """Return the connection object of the framework that serves the request."""
    if "litestar_app" in scope:
        from litestar.connection import ASGIConnection

        return ASGIConnection(scope)  # type: ignore[arg-type]
    requests = sys.modules.get("starlette.requests")
    return Connection(scope) if requests is None else requests.HTTPConnection(scope)


class Connection:
    """The connection for applications that use neither Starlette nor Litestar."""

    def __init__(self, scope: AsgiScope) -> None:
        self.scope = scope

    @property
    def state(self) -> Any:
        """The ASGI state of this request, with attribute access."""
        return _Attributes(self.scope["state"])

    @property
    def user(self) -> Any:
        """The user that an authentication middleware has set."""
        return self.scope["user"]

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name. For a repeated header, the last value."""
        return {
            name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]
        }


class _Attributes:
    def __init__(self, values: Any) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None
