"""Event keys that the catalogue does not list: they are sent, and a typing mistake is reported."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from orgtrail.errors import AuditError
from orgtrail_schemas.catalogue import Catalogue, catalogue

_MOST = 256
"""How many unlisted keys are reported; a service that makes up keys must not fill its memory."""

_log = logging.getLogger("orgtrail")


class UnlistedError(AuditError):
    """Strict mode: the event, or a part of it, is not in the catalogue."""


def nearest(event: str, keys: Iterable[str]) -> str | None:
    """The key that was probably meant, or ``None`` when none is close."""
    from difflib import get_close_matches

    close = get_close_matches(event, keys, n=1)
    return close[0] if close else None


class UnlistedWarnings:
    """Logs one warning for each unlisted key. Threads share it without a lock."""

    def __init__(self, known: Catalogue | None = None) -> None:
        """``known`` is the catalogue that ships with this version unless given."""
        self._known = known or catalogue()
        self._seen: dict[str, object] = {}

    def warn_once(self, event: str) -> None:
        """Warn that the catalogue does not list this key, unless that was done before."""
        if event in self._seen or len(self._seen) > _MOST:
            return
        # Of the threads that come here at once, the one whose object was stored warns.
        mine = object()
        if self._seen.setdefault(event, mine) is not mine:
            return
        if len(self._seen) > _MOST:
            _log.warning("more than %d events are not in the catalogue; no more are named", _MOST)
            return
        meant = nearest(event, self._known.events)
        _log.warning(
            "the event %s is not in the catalogue%s; it is sent, and all its values are redacted",
            event,
            f" (maybe {meant}?)" if meant else "",
        )
