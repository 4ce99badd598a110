"""Request scopes for any WSGI application. For Flask and Django, use their own modules.

``application = AuditMiddleware(application, actor=lambda environ: environ["app.user"])``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from orgtrail.request.reader import Middleware, Requests
from orgtrail.scope import Scope, enter, leave

Environ = dict[str, Any]
WsgiApp = Callable[[Any, Any], Iterable[bytes]]


class AuditMiddleware(Middleware[WsgiApp]):
    """Opens a scope for each request, until the server closes the response.

    ``actor`` and ``org_id`` are called with the WSGI environment at each ``emit``. If one of them
    raises, the error is logged once, and neither the request nor the event fails.
    ``trusted_proxies`` are networks (``orgtrail.request.proxies``).

    Raises:
        SettingsError: ``trusted_proxies`` is not a list of networks.
    """

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Run the application, and later its response, in the scope of this request."""
        scope = scope_of(self._requests, environ, lambda: environ)
        token = enter(scope)
        try:
            response = self.app(environ, start_response)
        finally:
            leave(token)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(response, list | tuple) or (
            isinstance(wrapper, type) and isinstance(response, wrapper)
        ):
            # Do not wrap these: no application code runs while the server sends them, and servers
            # have a fast path for both.
            return response
        return _Response(response, scope)


def scope_of(requests: Requests, environ: Environ, request: Callable[[], Any]) -> Scope:
    """Build the scope of a request from its WSGI environment."""
    requested = f"HTTP_{requests.request_id_header.decode('latin-1').upper().replace('-', '_')}"
    names = (
        (b"user-agent", "HTTP_USER_AGENT"),
        (b"traceparent", "HTTP_TRACEPARENT"),
        (b"x-forwarded-for", "HTTP_X_FORWARDED_FOR"),
        (b"forwarded", "HTTP_FORWARDED"),
        (requests.request_id_header, requested),
    )
    headers = [
        # PEP 3333: a header value is a string with one character per byte (Latin-1).
        (name, str(environ[key]).encode("latin-1", "replace"))
        for name, key in names
        if key in environ
    ]
    return requests.scope(str(environ.get("REMOTE_ADDR") or ""), headers, request)


class _Response:
    """Wraps the application's response so that each step runs in the scope of its request."""

    def __init__(self, response: Iterable[bytes], scope: Scope) -> None:
        self._response = response
        self._scope = scope
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token = enter(self._scope)
        try:
            if self._parts is None:
                self._parts = iter(self._response)
            return next(self._parts)
        finally:
            leave(token)

    def close(self) -> None:
        close = getattr(self._response, "close", None)
        if close is not None:
            token = enter(self._scope)
            try:
                close()
            finally:
                leave(token)
