"""A page that describes the API. Not the usual ones, which load scripts from other hosts."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.response import Template


@get("/docs", include_in_schema=False)
async def docs(request: Request[Any, Any, Any]) -> Template:
    """Every route with its parameters and answers; public."""
    return Template("api.html", context={"api": request.app.openapi_schema.to_schema()})
