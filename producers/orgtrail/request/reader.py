"""Builds a scope from a request; shared by the middlewares of all frameworks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Generic, TypeVar

from orgtrail.request.proxies import NOBODY, Networks, client_address
from orgtrail.request.service_callbacks import Asked
from orgtrail.request.traceparent import validated
from orgtrail.scope import Scope

Ask = Callable[[Any], Any]
"""A function of the service that takes the request and returns the actor or the organization."""

App = TypeVar("App")
"""The application's type."""

Headers = Iterable[tuple[bytes, bytes]]

REQUEST_ID_HEADER = "x-request-id"


class Requests:
    """Builds scopes from requests with the options of one middleware.

    ``actor`` and ``org_id`` are called with the framework's request at each ``emit``.
    """

    def __init__(
        self,
        actor: Ask | None = None,
        org_id: Ask | None = None,
        trusted_proxies: str | Iterable[str] | Networks | None = None,
        request_id_header: str = REQUEST_ID_HEADER,
    ) -> None:
        self.request_id_header = request_id_header.lower().encode("latin-1")
        self._actor = actor
        self._org_id = org_id
        if isinstance(trusted_proxies, Networks):
            self._trusted = trusted_proxies
        else:
            self._trusted = Networks(trusted_proxies) if trusted_proxies else NOBODY

    def scope(self, peer: str, headers: Headers, request: Callable[[], Any]) -> Scope:
        """Build the scope of a request. ``headers`` have lower-case names.

        ``request`` creates the framework's request object, for the service's functions. If a
        header is repeated, the first value is used; a repeated ``traceparent`` is ignored.
        """
        user_agent: bytes | None = None
        request_id: bytes | None = None
        traceparents: list[bytes] = []
        for name, value in headers:
            if name == b"user-agent":
                user_agent = value if user_agent is None else user_agent
            elif name == b"traceparent":
                traceparents.append(value)
            elif name == self.request_id_header:
                request_id = value if request_id is None else request_id
        traceparent, trace_id = validated(traceparents[0] if len(traceparents) == 1 else None)
        return Scope(
            actor=None if self._actor is None else Asked(self._actor, request),
            org_id=None if self._org_id is None else Asked(self._org_id, request),
            ip=partial(client_address, peer, headers, self._trusted),
            user_agent=_text(user_agent),
            request_id=_text(request_id),
            traceparent=traceparent,
            trace_id=trace_id,
        )


class Middleware(Generic[App]):
    """What the middlewares of ASGI and WSGI have in common: the application and the options."""

    def __init__(
        self,
        app: App,
        *,
        actor: Ask | None = None,
        org_id: Ask | None = None,
        trusted_proxies: str | Iterable[str] | Networks | None = None,
        request_id_header: str = REQUEST_ID_HEADER,
    ) -> None:
        self.app = app
        self._requests = Requests(actor, org_id, trusted_proxies, request_id_header)


def _text(value: bytes | None) -> str:
    if not value:
        return ""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
