"""Request scopes for Flask: ``orgtrail.flask.init(app, actor=lambda _: g.user)``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request

from orgtrail.request.proxies import Networks
from orgtrail.request.reader import REQUEST_ID_HEADER, Ask
from orgtrail.wsgi import AuditMiddleware

if TYPE_CHECKING:
    from flask import Flask


def init(
    app: Flask,
    *,
    actor: Any = None,
    org_id: Ask | None = None,
    trusted_proxies: str | Iterable[str] | Networks | None = None,
    request_id_header: str = REQUEST_ID_HEADER,
) -> None:
    """Open a scope for each request of ``app``, until its response is closed.

    ``actor`` is a function that takes Flask's request, or a proxy of the user, such as
    Flask-Login's ``current_user``. ``org_id`` is a function that takes the request. Both are
    evaluated at each ``emit``.

    Raises:
        SettingsError: ``trusted_proxies`` is not a list of networks.
    """
    app.wsgi_app = AuditMiddleware(  # type: ignore[method-assign]
        app.wsgi_app,
        actor=None if actor is None else _of_request(app, _function(actor)),
        org_id=None if org_id is None else _of_request(app, org_id),
        trusted_proxies=trusted_proxies,
        request_id_header=request_id_header,
    )


def _function(actor: Any) -> Ask:
    if hasattr(type(actor), "_get_current_object"):  # a LocalProxy
        return lambda _request: actor
    function: Ask = actor
    return function


def _of_request(app: Flask, function: Ask) -> Ask:
    @wraps(function)
    def ask(environ: dict[str, Any]) -> Any:
        if has_request_context():
            return function(request._get_current_object())  # type: ignore[attr-defined]
        # A streamed response runs without Flask's request context, so build the request here.
        return function(app.request_class(environ, populate_request=False))

    return ask
