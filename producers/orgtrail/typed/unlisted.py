"""Handles event keys that the catalogue does not list: they are sent, and a warning is logged."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from orgtrail.errors import AuditError
from orgtrail_schemas.catalogue import Catalogue, catalogue

_MOST = 256
"""Maximum number of unlisted keys to report. Bounds memory if a service generates keys."""

_log = logging.getLogger("orgtrail")


class UnlistedError(AuditError):
    """In strict mode: the catalogue does not declare the event, or a part of it."""


def nearest(event: str, keys: Iterable[str]) -> str | None:
    """Return the most similar key, or ``None`` if no key is similar."""
    from difflib import get_close_matches

    close = get_close_matches(event, keys, n=1)
    return close[0] if close else None


class UnlistedWarnings:
    """Logs one warning per unlisted key. Thread-safe without a lock."""

    def __init__(self, known: Catalogue | None = None) -> None:
        """``known`` defaults to the catalogue that ships with this version."""
        self._known = known or catalogue()
        self._seen: dict[str, object] = {}

    def warn_once(self, event: str) -> None:
        """Warn that the catalogue does not list this key, the first time it is emitted."""
        if event in self._seen or len(self._seen) > _MOST:
            return
        # setdefault is atomic: of several racing threads, only the one whose object it stored
        # warns.
        mine = object()
        if self._seen.setdefault(event, mine) is not mine:
            return
        if len(self._seen) > _MOST:
            _log.warning(
                "more than %d events are not in the catalogue; further ones are not logged", _MOST
            )
            return
        suggestion = nearest(event, self._known.events)
        _log.warning(
            "the event %s is not in the catalogue%s; it is sent with all its values redacted",
            event,
            f" (maybe {suggestion}?)" if suggestion else "",
        )
