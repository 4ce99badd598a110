"""The Litestar application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Litestar
from litestar.contrib.jinja import JinjaTemplateEngine
from litestar.datastructures import MutableScopeHeaders
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.plugins.prometheus import PrometheusConfig, PrometheusController
from litestar.template.config import TemplateConfig
from litestar.types import Message, Scope

from orgtrail import AuditProducer, ProducerSettings
from orgtrail_query_service.api.docs import docs
from orgtrail_query_service.api.export import Export
from orgtrail_query_service.api.health import livez, readyz
from orgtrail_query_service.api.openapi import DESCRIPTION
from orgtrail_query_service.api.routes import Api
from orgtrail_query_service.auth.administrator import Tokens
from orgtrail_query_service.auth.authentication import Authentication
from orgtrail_query_service.auth.issuer import Issuer
from orgtrail_query_service.auth.limits import rate_limits
from orgtrail_query_service.auth.session import csrf_config, session_config
from orgtrail_query_service.auth.sign_in import sign_in_routes
from orgtrail_query_service.errors import on_exception, on_http_exception, on_problem
from orgtrail_query_service.page.assets import asset
from orgtrail_query_service.page.routes import AuditLogPage
from orgtrail_query_service.page.template_filters import add_filters
from orgtrail_query_service.parts import Service
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.reads.cursor import Cursors
from orgtrail_query_service.reads.database import Database
from orgtrail_query_service.self_audit import Recorder
from orgtrail_query_service.settings import QuerySettings
from orgtrail_query_service.traces import trace_plugins

_PAGE = Path(__file__).parent / "page"

# Known to nobody and worth nothing: neither sign-in nor limits.
_OPEN = ["^/livez$", "^/readyz$", "^/metrics$", "^/static/"]

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


def make_app(settings: QuerySettings) -> Litestar:
    """The application for one worker process.

    Raises:
        OSError, ValueError: the key set cannot be read.
        SettingsError: reads could not be recorded.
    """
    service = _service(settings)

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        yield
        service.recorder.close()
        await service.reader.close()
        await service.exporter.close()

    limits = rate_limits(settings.rate_limit, _OPEN)
    app = Litestar(
        route_handlers=[
            Api,
            Export,
            livez,
            readyz,
            docs,
            Metrics,
            *sign_in_routes(settings),
            AuditLogPage,
            asset,
        ],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        middleware=[
            PrometheusConfig(
                app_name="orgtrail", prefix="orgtrail_query", group_path=True, exclude=_OPEN
            ).middleware,
            session_config(settings).middleware,
            DefineMiddleware(Authentication, exclude=_OPEN),
            limits.middleware,
        ],
        csrf_config=csrf_config(settings),
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_exception,
            Exception: on_exception,
        },
        before_send=[_add_security_headers],
        template_config=TemplateConfig(instance=_templates()),
        openapi_config=DESCRIPTION,
        plugins=trace_plugins(),
        lifespan=[lifespan],
    )
    app.state.service = service
    return app


class Metrics(PrometheusController):
    """``/metrics``: for the operator's network only; it names routes and counts, nobody."""

    include_in_schema = False


def _service(settings: QuerySettings) -> Service:
    issuer = Issuer(settings)
    return Service(
        settings=settings,
        reader=Database(
            settings,
            settings.clickhouse_reader_user,
            settings.clickhouse_reader_password.get_secret_value(),
        ),
        exporter=Database(
            settings,
            settings.clickhouse_export_user,
            settings.clickhouse_export_password.get_secret_value(),
        ),
        issuer=issuer,
        tokens=Tokens(settings, issuer.keys),
        cursors=Cursors(settings.secret.get_secret_value()),
        recorder=Recorder(
            AuditProducer(ProducerSettings.load(service="orgtrail")),
            required=settings.record_exports == "required",
        ),
        now=lambda: datetime.now(UTC),
    )


async def _add_security_headers(message: Message, _scope: Scope) -> None:
    # Here and not as default headers: those are missing from what no route answers.
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)


def _templates() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_PAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_filters(environment)
    return JinjaTemplateEngine.from_environment(environment)
