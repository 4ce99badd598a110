"""Health: ``/livez`` depends on nothing else, ``/readyz`` asks ClickHouse."""

from __future__ import annotations

from litestar import MediaType, Response, get

from orgtrail_query_service.parts import Parts
from orgtrail_query_service.problems import Problem


@get("/livez", media_type=MediaType.TEXT, include_in_schema=False)
async def livez() -> str:
    """The process answers."""
    return "ok\n"


@get("/readyz", media_type=MediaType.TEXT, include_in_schema=False)
async def readyz(parts: Parts) -> Response[str]:
    """ClickHouse can be read."""
    try:
        await parts.logs.check()
    except Problem:
        return Response("ClickHouse does not answer\n", status_code=503)
    return Response("ok\n")
