"""Exports: all events of a search, streamed as a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from orgtrail_query_service.api.openapi import PROBLEMS, PROBLEMS_OF_EXPORT, ExportOperation
from orgtrail_query_service.api.routes import Org
from orgtrail_query_service.auth.authorize import authorize_export, caller, request_context
from orgtrail_query_service.http.accept import accepts_gzip, preferred
from orgtrail_query_service.http.edge import CLOSING, HEAD
from orgtrail_query_service.parts import AnyRequest, Parts
from orgtrail_query_service.problems import bad_parameter, not_acceptable
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.export_formats import FORMATS, Format
from orgtrail_query_service.reads.pages import read_settled
from orgtrail_query_service.reads.search import Search, parse_search, rfc3339

_PATH = "/v1/orgs/{org:str}/events/export"
_BOM = b"\xef\xbb\xbf"


def export_routes() -> list[HTTPRouteHandler]:
    """The route that goes by the Accept header, and one for each format's suffix."""
    return [by_accept, *map(_by_suffix, FORMATS.values())]


@get(_PATH, operation_class=ExportOperation, responses=PROBLEMS_OF_EXPORT)
async def by_accept(request: AnyRequest, parts: Parts, org: Org) -> Stream:
    """Every event of a search, in the format that the Accept header prefers."""
    media = [file.media_type for file in FORMATS.values()]
    wanted = preferred(request.headers.get("accept", "*/*"), media)
    file = next((f for f in FORMATS.values() if f.media_type == wanted), None)
    if file is None:
        authorize_export(request, org)
        raise not_acceptable(media)
    return await _export(request, parts, org, file)


def _by_suffix(file: Format) -> HTTPRouteHandler:
    async def export(request: AnyRequest, parts: Parts, org: Org) -> Stream:
        return await _export(request, parts, org, file)

    export.__doc__ = f"Every event of a search as {file.title}."
    route: Callable[[Any], HTTPRouteHandler] = get(
        f"{_PATH}.{file.suffix}",
        operation_class=ExportOperation,
        operation_id=f"export_{file.suffix}",
        responses=PROBLEMS,
    )
    return route(export)


async def _export(request: AnyRequest, parts: Parts, org: str, file: Format) -> Stream:
    log = authorize_export(request, org)
    parameters = list(request.query_params.multi_items())
    begin = _BOM if _wants_bom(parameters, file) else b""
    rest = [(name, value) for name, value in parameters if name != "bom"]
    search = parse_search(rest, parts.now(), paged=False)
    settled = await read_settled(log, search)
    # A byte order mark cannot stand before bytes that ClickHouse compressed.
    gzip = not begin and accepts_gzip(request.headers.get("accept-encoding", ""))
    through = settled.settled_through
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(log.org, search, file)}"',
        "Orgtrail-Set-Aside": str(settled.set_aside),
        "Orgtrail-Settled-Through": "" if through is None else rfc3339(through),
        "Vary": "Accept, Accept-Encoding",
        **({"Content-Encoding": "gzip"} if gzip else {}),
    }
    if request.scope.get(HEAD):
        return Stream(_nothing(), media_type=file.media_type, headers=headers)
    chunks = log.stream(statements.export(log.org, search, file), gzip=gzip)
    if CLOSING in request.scope:
        # Litestar leaves an iterator open when the client goes away or stalls.
        request.scope[CLOSING].push_async_callback(chunks.aclose)  # type: ignore[literal-required]
    # Await the first bytes here: an error before them still gets an answer of its own.
    first = begin + await anext(chunks)
    try:
        await parts.self_audit.exported(
            log.org, caller(request), request_context(request), search, file.suffix
        )
    except BaseException:
        await chunks.aclose()
        raise
    return Stream(_continued(first, chunks), media_type=file.media_type, headers=headers)


def _wants_bom(parameters: list[tuple[str, str]], file: Format) -> bool:
    values = [value for name, value in parameters if name == "bom" and value]
    if values and (len(values) > 1 or values[0] not in ("true", "false") or not file.takes_bom):
        raise bad_parameter("bom", "must be true or false, and is for CSV only")
    return values == ["true"]


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _continued(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk


def _file_name(org: str, search: Search, file: Format) -> str:
    # The name goes into a header: replace everything else in an organization's ID.
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in org)
    return f"audit-log-{safe}-{search.since:%Y%m%d}-{search.until:%Y%m%d}.{file.suffix}"
