"""``orgtrail serve``: run the query service."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from orgtrail_query_service.settings import QuerySettings


def serve() -> int:
    """Serve the API and the page, until stopped.

    Reads the ORGTRAIL_ settings; listens on loopback unless ORGTRAIL_HOST says otherwise.
    """
    import uvicorn

    from orgtrail_query_service.app import make_app
    from orgtrail_query_service.logs import configure_logs

    try:
        settings = QuerySettings()
        configure_logs()
        app = make_app(settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        print(f"orgtrail serve: ORGTRAIL_{name}: {first['msg']}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"orgtrail serve: {error}", file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        server_header=False,
        # A request line may hold an email: no access log.
        access_log=False,
        timeout_graceful_shutdown=10,
    )
    return 0
