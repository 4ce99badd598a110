"""Cursors: opaque, signed, and good only for the search that they were made for."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from orgtrail_query_service.problems import bad_parameter
from orgtrail_query_service.reads.search import Place, Search


class Cursors:
    """Makes and reads cursors with one secret, shared by all workers."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeSerializer(
            secret, salt="cursor", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def make(self, org: str, search: Search, place: Place) -> str:
        """The cursor that continues the search after a place."""
        since, until = (int(t.timestamp() * 1000) for t in (search.since, search.until))
        instant = int(place.occurred_at.timestamp() * 1000)
        return str(
            self._serializer.dumps(
                [_digest(org, search), instant, str(place.event_id), since, until]
            )
        )

    def read(self, org: str, search: Search) -> tuple[Search, Place | None]:
        """The search within the range of its first page, and the place to continue after.

        Without a cursor: the search as it is, from its start.

        Raises:
            Problem: the cursor was changed, or is another search's or organization's.
        """
        if search.cursor is None:
            return search, None
        try:
            digest, instant, event_id, since, until = self._serializer.loads(search.cursor)
        except (BadData, ValueError):
            raise bad_parameter("cursor", "is not one that this service gave out") from None
        if digest != _digest(org, search):
            raise bad_parameter("cursor", "is of another search: keep the other parameters as is")
        # The range of the first page: "the last 90 days" must not move while somebody reads on.
        return (
            replace(search, since=_time(since), until=_time(until)),
            Place(_time(instant), UUID(event_id)),
        )


def _digest(org: str, search: Search) -> str:
    values = [[filter_.name, *values] for filter_, values in search.values]
    text = msgspec.json.encode([org, search.order, values])
    return hashlib.sha256(text).hexdigest()[:16]


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
