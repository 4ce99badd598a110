"""The API's client: pages, downloads, and problems in one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from orgtrail_query_service.reads.display import plain
from orgtrail_query_service.reads.event import Event
from orgtrail_query_service.reads.search import MAX_LIMIT
from orgtrail_query_service.terminal.settings import ClientSettings
from orgtrail_schemas.reading import read_json

if TYPE_CHECKING:
    import httpx

Parameters = list[tuple[str, str | int | float | bool | None]]


class Page(msgspec.Struct):
    """One page of the API's list of events; the rest of the answer is not needed here."""

    events: list[Event]
    next_cursor: str | None
    settled_through: datetime | None
    set_aside: int


class ClientError(Exception):
    """What went wrong, in one line for the user."""


@contextmanager
def connect(settings: ClientSettings) -> Iterator[httpx.Client]:
    """A connection to the query service.

    Raises:
        ClientError: the service cannot be reached, or broke off.
    """
    import httpx

    token = settings.token.reveal().strip()
    if not token.isascii() or not token:
        raise ClientError("set ORGTRAIL_TOKEN to a token of an administrator")
    try:
        with httpx.Client(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(60, connect=5),
        ) as client:
            yield client
    except httpx.InvalidURL as error:
        raise ClientError(f"ORGTRAIL_URL: {error}") from error
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise ClientError(f"the query service at {settings.url}: {reason}") from error


def events_path(org: str, *rest: str) -> str:
    """The path of an organization's events."""
    return "/".join(("/v1/orgs", quote(org, safe=""), "events", *rest))


def pages(client: httpx.Client, org: str, parameters: Parameters, limit: int) -> Iterator[Page]:
    """Pages of a search, up to ``limit`` events; 0 is no limit.

    Raises:
        ClientError: the service answered with a problem.
    """
    missing, cursor = limit or sys.maxsize, None
    while missing > 0:
        more: Parameters = [("limit", min(missing, MAX_LIMIT)), ("cursor", cursor or "")]
        answer = client.get(events_path(org), params=[*parameters, *more])
        check(answer)
        page = read_json(answer.content, Page)
        yield page
        missing, cursor = missing - len(page.events), page.next_cursor
        if cursor is None:
            return


def check(answer: httpx.Response) -> None:
    """Return if the service did what was asked.

    Raises:
        ClientError: it answered with a problem, which is repeated.
    """
    if answer.is_success:
        return
    answer.read()
    try:
        problem = msgspec.json.decode(answer.content, type=dict[str, Any])
        text = f"{problem['title']}. {problem['detail']}"
    except (msgspec.DecodeError, KeyError):
        text = f"the query service answered {answer.status_code}"
    raise ClientError(plain(text))


def file_name(answer: httpx.Response) -> str:
    """The name that the service gives a download.

    Raises:
        ClientError: it gives none that is safe to use.
    """
    named = re.fullmatch(
        r'attachment; filename="([A-Za-z0-9][A-Za-z0-9._-]*)"',
        answer.headers.get("content-disposition", ""),
    )
    if named is None:
        raise ClientError("the query service named no file: use --output")
    return named[1]
