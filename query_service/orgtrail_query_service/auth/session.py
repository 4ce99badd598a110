"""The browser session: an encrypted cookie with the administrator and the time of expiry."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import msgspec
from litestar.config.csrf import CSRFConfig
from litestar.middleware.session.client_side import CookieBackendConfig

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.parts import AnyConnection, AnyRequest
from orgtrail_query_service.settings import QuerySettings

_KEY = "administrator"


def session_config(settings: QuerySettings) -> CookieBackendConfig:
    """The cookie: encrypted (AES-GCM), for this host only, not sent with cross-site requests."""
    secret = settings.secret.reveal().encode()
    return CookieBackendConfig(
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
    return CSRFConfig(
        secret=hashlib.sha256(b"csrf:" + secret).hexdigest(),
        cookie_name="__Host-orgtrail-csrf" if settings.secure_cookies else "orgtrail-csrf",
        cookie_secure=settings.secure_cookies,
        cookie_httponly=True,
        cookie_samesite="lax",
        exclude=["^/v1/", "^/static/", "^/livez$", "^/readyz$", "^/metrics$", "^/schema"],
    )


def begin_session(
    request: AnyRequest, administrator: Administrator, now: datetime, hours: int
) -> None:
    """Sign in. The session ends after this many hours, regardless of activity."""
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
    return msgspec.convert(stored[_KEY], Administrator)
