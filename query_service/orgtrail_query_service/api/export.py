"""Exports: everything of a search, streamed as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Controller, Request, get
from litestar.response import Stream

from orgtrail_query_service.api.openapi import PROBLEMS, PROBLEMS_OF_EXPORT, ExportOperation
from orgtrail_query_service.api.routes import Org
from orgtrail_query_service.auth.authentication import administrator
from orgtrail_query_service.parts import Service, where
from orgtrail_query_service.problems import bad_parameter, not_acceptable
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.export_formats import CSV, FORMATS, JSONL, PARQUET, Format
from orgtrail_query_service.reads.pages import read_settled
from orgtrail_query_service.reads.search import Search, parse_search, rfc3339

AnyRequest = Request[Any, Any, Any]

_BOM = b"\xef\xbb\xbf"


class Export(Controller):
    """``/v1/orgs/{org}/events/export``: the format by suffix, or by the Accept header."""

    path = "/v1/orgs/{org:str}/events"

    @get("/export", operation_class=ExportOperation, responses=PROBLEMS_OF_EXPORT)
    async def by_accept(self, request: AnyRequest, service: Service, org: Org) -> Stream:
        """Every event of a search, in the format that the Accept header prefers."""
        media = [file.media_type for file in FORMATS.values()]
        best = request.accept.best_match(media) if "accept" in request.headers else CSV.media_type
        file = next((f for f in FORMATS.values() if f.media_type == best), None)
        if file is None:
            administrator(request).require(org)
            raise not_acceptable(media)
        return await _export(request, service, org, file)

    @get(
        "/export.csv",
        operation_class=ExportOperation,
        operation_id="export_csv",
        responses=PROBLEMS,
    )
    async def csv(self, request: AnyRequest, service: Service, org: Org) -> Stream:
        """Every event of a search as CSV."""
        return await _export(request, service, org, CSV)

    @get(
        "/export.jsonl",
        operation_class=ExportOperation,
        operation_id="export_jsonl",
        responses=PROBLEMS,
    )
    async def jsonl(self, request: AnyRequest, service: Service, org: Org) -> Stream:
        """Every event of a search as JSON Lines."""
        return await _export(request, service, org, JSONL)

    @get(
        "/export.parquet",
        operation_class=ExportOperation,
        operation_id="export_parquet",
        responses=PROBLEMS,
    )
    async def parquet(self, request: AnyRequest, service: Service, org: Org) -> Stream:
        """Every event of a search as Parquet."""
        return await _export(request, service, org, PARQUET)


async def _export(request: AnyRequest, service: Service, org: str, file: Format) -> Stream:
    who = administrator(request)
    who.require(org)
    parameters = list(request.query_params.multi_items())
    begin = _BOM if _wants_bom(parameters, file) else b""
    rest = [(name, value) for name, value in parameters if name != "bom"]
    search = parse_search(rest, service.now(), paged=False)
    settled = await read_settled(service.reader, org, search)
    # A byte order mark cannot stand before bytes that ClickHouse compressed.
    gzip = not begin and "gzip" in request.headers.get("accept-encoding", "")
    chunks = service.exporter.stream(statements.export(org, search, file), gzip=gzip)
    # The first bytes are awaited here: what fails before them gets an answer of its own.
    first = begin + await anext(chunks)
    try:
        await service.recorder.exported(org, who, where(request), search, file.suffix)
    except BaseException:
        await chunks.aclose()
        raise
    through = settled.settled_through
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(org, search, file)}"',
        "Orgtrail-Set-Aside": str(settled.set_aside),
        "Orgtrail-Settled-Through": "" if through is None else rfc3339(through),
        "Vary": "Accept, Accept-Encoding",
        **({"Content-Encoding": "gzip"} if gzip else {}),
    }
    return Stream(_continued(first, chunks), media_type=file.media_type, headers=headers)


def _wants_bom(parameters: list[tuple[str, str]], file: Format) -> bool:
    values = [value for name, value in parameters if name == "bom" and value]
    if values and (len(values) > 1 or values[0] not in ("true", "false") or file is not CSV):
        raise bad_parameter("bom", "is true or false, and of CSV alone")
    return values == ["true"]


async def _continued(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _file_name(org: str, search: Search, file: Format) -> str:
    # What stands in a header is spelled out; anything else in an organization's id is replaced.
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in org)
    return f"audit-log-{safe}-{search.since:%Y%m%d}-{search.until:%Y%m%d}.{file.suffix}"
