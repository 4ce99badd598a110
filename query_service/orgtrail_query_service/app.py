"""The application: wires the parts, the routes and what stands before them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.contrib.jinja import JinjaTemplateEngine
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.plugins.prometheus import PrometheusConfig
from litestar.template.config import TemplateConfig
from litestar.types import ASGIApp, Message, Scope

from orgtrail import AuditProducer, ProducerSettings
from orgtrail_query_service.api.docs import docs
from orgtrail_query_service.api.export import export_routes
from orgtrail_query_service.api.health import livez, readyz
from orgtrail_query_service.api.openapi import description
from orgtrail_query_service.api.routes import Api
from orgtrail_query_service.auth.authentication import Authentication
from orgtrail_query_service.auth.bounds import Bounds
from orgtrail_query_service.auth.keys import KeySource
from orgtrail_query_service.auth.limits import forget_callers, rate_limits
from orgtrail_query_service.auth.oidc import OidcProvider
from orgtrail_query_service.auth.organization_log import Logs, Shard
from orgtrail_query_service.auth.session import csrf_config, session_config
from orgtrail_query_service.auth.sign_in import sign_in_routes
from orgtrail_query_service.auth.tokens import TokenVerifier
from orgtrail_query_service.errors import on_exception, on_http_exception, on_problem
from orgtrail_query_service.http.edge import Edge
from orgtrail_query_service.page.assets import asset
from orgtrail_query_service.page.routes import AuditLogPage
from orgtrail_query_service.page.template_filters import add_filters
from orgtrail_query_service.parts import Parts
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.cursor import Cursors
from orgtrail_query_service.reads.database import Database
from orgtrail_query_service.self_audit import SelfAudit
from orgtrail_query_service.settings import QuerySettings
from orgtrail_query_service.telemetry import Metrics, trace_plugins

_PAGE = Path(__file__).parent / "page"

# Public endpoints: no authentication, no rate limit.
_PUBLIC = ["^/livez$", "^/readyz$", "^/metrics$", "^/static/"]

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def served(settings: QuerySettings, parts: Parts) -> ASGIApp:
    """What a server serves: the application behind its edge."""
    return Edge(make_app(settings, parts), settings.path_prefix, settings.stalled_seconds)


def make_app(settings: QuerySettings, parts: Parts) -> Litestar:
    """The application of one worker process; ``real_parts`` makes its parts."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        forgetting = asyncio.create_task(forget_callers(app))
        yield
        forgetting.cancel()
        parts.self_audit.close()
        await parts.logs.close()

    app = Litestar(
        route_handlers=[
            Api,
            *export_routes(),
            livez,
            readyz,
            docs,
            Metrics,
            *sign_in_routes(settings),
            AuditLogPage,
            asset,
        ],
        dependencies={"parts": Provide(lambda: parts, sync_to_thread=False)},
        middleware=[
            PrometheusConfig(
                app_name="orgtrail", prefix="orgtrail_query", group_path=True, exclude=_PUBLIC
            ).middleware,
            session_config(settings).middleware,
            DefineMiddleware(Authentication, exclude=_PUBLIC),
            rate_limits(settings.rate_limit, _PUBLIC).middleware,
        ],
        # The only form that is sent here is that of signing out.
        request_max_body_size=16_384,
        # Exports have ClickHouse compress them.
        compression_config=CompressionConfig(
            backend="gzip", gzip_compress_level=5, exclude=["/events/export"]
        ),
        csrf_config=csrf_config(settings),
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_exception,
            Exception: on_exception,
        },
        before_send=[_add_security_headers],
        template_config=TemplateConfig(instance=templates(settings.path_prefix)),
        openapi_config=description(settings.path_prefix),
        # Litestar's default would print each request to the issuer, and what other libraries say.
        logging_config=None,
        plugins=trace_plugins(),
        lifespan=[lifespan],
    )
    app.state.parts = parts
    return app


def real_parts(settings: QuerySettings, producer_settings: ProducerSettings) -> Parts:
    """The parts that connect to the servers that the settings name, when they are first used.

    ``producer_settings`` are those of the SDK, with which the service records who reads.

    Raises:
        OSError, ValueError: the key set cannot be read.
    """
    provider = OidcProvider(settings)
    return Parts(
        settings=settings,
        logs=Logs(
            shards=[
                Shard(
                    Database(
                        server, settings.clickhouse_reader_user, settings.clickhouse_reader_password
                    ),
                    Database(
                        server, settings.clickhouse_export_user, settings.clickhouse_export_password
                    ),
                )
                for server in settings.clickhouse.servers()
            ],
            bounds=Bounds(
                reads_at_once=settings.reads_at_once,
                exports_at_once=settings.exports_at_once,
                silence_s=settings.export_silence_seconds,
            ),
        ),
        provider=provider,
        tokens=TokenVerifier(settings, KeySource(settings, provider).keys),
        cursors=Cursors(settings.secret.reveal()),
        self_audit=SelfAudit(
            AuditProducer(producer_settings), required=settings.record_exports == "required"
        ),
        now=lambda: datetime.now(UTC),
    )


async def _add_security_headers(message: Message, _scope: Scope) -> None:
    # Not response_headers: Litestar omits those when no route matches.
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)


def templates(prefix: str) -> JinjaTemplateEngine:
    """The page's templates: values are escaped, and an unknown name is an error.

    Links begin with ``prefix``.
    """
    environment = Environment(
        loader=FileSystemLoader(_PAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_filters(environment, prefix)
    return JinjaTemplateEngine.from_environment(environment)
