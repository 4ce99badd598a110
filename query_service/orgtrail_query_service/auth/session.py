"""The browser session: an encrypted cookie with the administrator and the time of expiry."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar.config.csrf import CSRFConfig
from litestar.middleware.session.client_side import ClientSideSessionBackend, CookieBackendConfig
from litestar.types import Message, Scope, ScopeSession

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.parts import AnyConnection, AnyRequest
from orgtrail_query_service.problems import too_many_organizations
from orgtrail_query_service.settings import QuerySettings
from orgtrail_schemas.reading import convert

_KEY = "administrator"
_LOADED = "orgtrail_loaded_session"

MAX_BYTES = 10_000
"""What a session may have, compressed: four cookies. Proxies and servers refuse longer headers."""


class _Backend(ClientSideSessionBackend):
    """Litestar's, with compressed data, and cookies that are sent only when they change.

    A cookie in every answer would sign a person in again whose other tab signed out meanwhile.
    """

    @staticmethod
    def serialize_data(data: ScopeSession, scope: Scope | None = None) -> bytes:
        return zlib.compress(ClientSideSessionBackend.serialize_data(data, scope))

    @staticmethod
    def deserialize_data(data: Any) -> dict[str, Any]:
        return ClientSideSessionBackend.deserialize_data(zlib.decompress(data))

    def get_cookie_keys(self, connection: AnyConnection) -> list[str]:
        return sorted(super().get_cookie_keys(connection), key=lambda key: (len(key), key))

    async def load_from_connection(self, connection: AnyConnection) -> dict[str, Any]:
        try:
            found = await super().load_from_connection(connection)
        except Exception:
            # Anybody can send a cookie of any form: it is no session.
            found = {}
        connection.scope[_LOADED] = found or None  # type: ignore[literal-required]
        return found

    async def store_in_message(
        self, scope_session: ScopeSession, message: Message, connection: AnyConnection
    ) -> None:
        # Cookies that cannot be read are removed.
        if not scope_session or scope_session != connection.scope.get(_LOADED):
            await super().store_in_message(scope_session, message, connection)


@dataclass
class _Config(CookieBackendConfig):
    _backend_class = _Backend


def session_config(settings: QuerySettings) -> CookieBackendConfig:
    """The cookie: encrypted (AES-GCM), for this host only, not sent with cross-site requests."""
    secret = settings.secret.reveal().encode()
    return _Config(
        secret=hashlib.sha256(b"session:" + secret).digest(),
        # __Host-: set by this host over HTTPS, for all its paths (RFC 6265bis, section 4.1.3.2).
        key="__Host-orgtrail" if settings.secure_cookies else "orgtrail",
        max_age=settings.session_hours * 3600,
        httponly=True,
        secure=settings.secure_cookies,
        samesite="lax",
    )


def csrf_config(settings: QuerySettings) -> CSRFConfig:
    """A token in every form that changes something. The API is read-only and needs none."""
    secret = settings.secret.reveal().encode()
    host = "__Host-" if settings.secure_cookies else ""
    return CSRFConfig(
        secret=hashlib.sha256(b"csrf:" + secret).hexdigest(),
        # Litestar keeps a cookie that was signed with an earlier secret, and refuses every form.
        cookie_name=f"{host}orgtrail-csrf-{hashlib.sha256(b'csrf name:' + secret).hexdigest()[:8]}",
        cookie_secure=settings.secure_cookies,
        cookie_httponly=True,
        cookie_samesite="lax",
        exclude=["^/v1/", "^/static/", "^/livez$", "^/readyz$", "^/metrics$", "^/schema"],
    )


def begin_session(
    request: AnyRequest, administrator: Administrator, now: datetime, hours: int
) -> None:
    """Sign in. The session ends after this many hours, regardless of activity.

    Raises:
        Problem: the administrator has more organizations than a session can hold.
    """
    if len(zlib.compress(msgspec.json.encode(administrator))) > MAX_BYTES:
        raise too_many_organizations(len(administrator.organizations))
    request.set_session(
        {
            _KEY: msgspec.to_builtins(administrator),
            "expires_at": (now + timedelta(hours=hours)).isoformat(),
        }
    )


def session_administrator(connection: AnyConnection, now: datetime) -> Administrator | None:
    """The signed-in administrator; ``None`` if there is none, or the session has expired."""
    stored = connection.session
    if not stored or _KEY not in stored:
        return None
    if datetime.fromisoformat(stored["expires_at"]) <= now:
        connection.clear_session()
        return None
    return convert(stored[_KEY], Administrator)
