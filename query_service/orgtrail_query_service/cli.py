"""``orgtrail serve``: run the query service."""

from __future__ import annotations

import sys
from typing import Any

from pydantic import ValidationError

from orgtrail_query_service.settings import QuerySettings


def serve() -> int:
    """Serve the API and the page, until stopped.

    Reads the ORGTRAIL_ settings; listens on loopback unless ORGTRAIL_HOST says otherwise.
    """
    import uvicorn

    from orgtrail_query_service.logs import configure_logs

    configure_logs()
    settings = _checked()
    if settings is None:
        return 1
    # Each worker makes its own application, and shares nothing with the others.
    uvicorn.run(
        "orgtrail_query_service.cli:application",
        factory=True,
        workers=settings.workers,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        server_header=False,
        http="orgtrail_query_service.api.http_protocol:Protocol",
        # A request line may hold an email: no access log.
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    return 0


def application() -> Any:
    """The application as the environment configures it, for a server that imports it."""
    from orgtrail_query_service.app import make_app

    return make_app(QuerySettings())


def _checked() -> QuerySettings | None:
    """The settings when an application can be made with them; otherwise says why not."""
    from orgtrail.errors import AuditError
    from orgtrail.settings import ProducerSettings
    from orgtrail_query_service.auth.issuer import Issuer

    try:
        settings = QuerySettings()
        ProducerSettings.load()
        Issuer(settings)
        return settings
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        named = f"ORGTRAIL_{name}: " if name else ""
        print(f"orgtrail serve: {named}{first['msg']}", file=sys.stderr)
    except (OSError, ValueError, AuditError) as error:
        print(f"orgtrail serve: {error}", file=sys.stderr)
    return None
