"""``orgtrail serve``: run the query service."""

from __future__ import annotations

import gc
import sys
from typing import Any

from orgtrail import ProducerSettings
from orgtrail.errors import AuditError
from orgtrail_query_service.settings import QuerySettings


def serve() -> int:
    """Serve the API and the page until stopped.

    Reads the ORGTRAIL_ settings (docs/settings.md). Listens on loopback unless ORGTRAIL_HOST is
    set.
    """
    import uvicorn

    from orgtrail_query_service.telemetry import configure_logs, metrics_of

    configure_logs()
    settings = _checked_settings()
    if settings is None:
        return 1
    with metrics_of(settings.workers):
        # Each worker makes its own application, and shares only the counts with the others.
        uvicorn.run(
            "orgtrail_query_service.cli:application",
            factory=True,
            workers=settings.workers,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            server_header=False,
            http="orgtrail_query_service.http.protocol:Protocol",
            # A request line may contain an email: no access log.
            access_log=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_keep_alive=settings.keep_alive_seconds,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
    return 0


def application() -> Any:
    """The application as the environment configures it, for a server that imports it."""
    from orgtrail_query_service.app import real_parts, served
    from orgtrail_query_service.telemetry import configure_logs

    # Each worker is a process of its own.
    configure_logs()
    settings = QuerySettings.load()
    made = served(settings, real_parts(settings, ProducerSettings.load(service="orgtrail")))
    # What there is now stays. Each search for cycles in it stopped the process for 50 ms
    # (docs/benchmarks.md, "Reads").
    gc.collect()
    gc.freeze()
    return made


def _checked_settings() -> QuerySettings | None:
    """The settings, or ``None`` after a line on standard error that names what is wrong."""
    from orgtrail_query_service.auth.keys import keys_of_file

    try:
        settings = QuerySettings.load()
        ProducerSettings.load()
        if settings.jwks_file is not None:
            keys_of_file(settings.jwks_file)
        return settings
    except (OSError, ValueError, AuditError) as error:
        print(f"orgtrail serve: {error}", file=sys.stderr)
    return None
