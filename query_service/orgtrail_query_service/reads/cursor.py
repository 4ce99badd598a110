"""Cursors: opaque, signed, and valid only for the search that they belong to."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from orgtrail_query_service.problems import bad_parameter
from orgtrail_query_service.reads.search import Place, Search

_FEED = "received"


class Cursors:
    """Creates and reads cursors with one secret, which all workers share."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeSerializer(
            secret, salt="cursor", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def make(self, org: str, search: Search, place: Place) -> str:
        """The cursor that continues the search after a keyset position."""
        since, until = (int(t.timestamp() * 1000) for t in (search.since, search.until))
        instant = int(place.occurred_at.timestamp() * 1000)
        return str(
            self._serializer.dumps(
                [_digest(org, search), instant, str(place.event_id), since, until]
            )
        )

    def read(self, org: str, search: Search) -> tuple[Search, Place | None]:
        """The search with the range of its first page, and the position to continue after.

        Without a cursor, the search itself and ``None``.

        Raises:
            Problem: the cursor was modified, or belongs to another search or organization.
        """
        if search.cursor is None:
            return search, None
        try:
            digest, instant, event_id, since, until = self._serializer.loads(search.cursor)
        except (BadData, ValueError):
            raise bad_parameter("cursor", "was not issued by this service") from None
        if digest != _digest(org, search):
            raise bad_parameter(
                "cursor",
                "belongs to another search: send the same parameters as for the first page",
            )
        # Keep the range of the first page: "the last 7 days" must not move between pages.
        return (
            replace(search, since=_time(since), until=_time(until)),
            Place(_time(instant), UUID(event_id)),
        )

    def make_feed(self, org: str, search: Search, position: tuple[datetime, int, int]) -> str:
        """The cursor that continues a feed after a position."""
        moment, partition, offset = position
        at = [int(moment.timestamp() * 1000), partition, offset]
        return str(self._serializer.dumps([_FEED, _digest(org, search), *at]))

    def read_feed(self, org: str, search: Search) -> tuple[datetime, int, int] | None:
        """The position that the search's cursor holds; ``None`` without a cursor.

        Raises:
            Problem: the cursor was modified, or belongs to another feed or organization.
        """
        if search.cursor is None:
            return None
        try:
            kind, digest, at, partition, offset = self._serializer.loads(search.cursor)
        except (BadData, ValueError):
            raise bad_parameter("cursor", "was not issued by this service") from None
        if kind != _FEED or digest != _digest(org, search):
            raise bad_parameter(
                "cursor", "belongs to another search: send the same filters as for its first page"
            )
        return _time(at), partition, offset


def _digest(org: str, search: Search) -> str:
    values = [[filter_.name, *values] for filter_, values in search.values]
    text = msgspec.json.encode([org, search.order, values])
    return hashlib.sha256(text).hexdigest()[:16]


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
