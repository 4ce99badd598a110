"""Calls the service's functions for actor and organization without letting their errors escape."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")

_log = logging.getLogger("orgtrail")
_reported: set[str] = set()
_MOST_REPORTED = 1_000


class Asked:
    """A function of the service that is called about a request when an event is emitted.

    ``of`` creates its argument. It is called at each ``emit``, so that a request that emits
    nothing does not pay for it.
    """

    __slots__ = ("function", "of")

    def __init__(self, function: Callable[[Any], Any], of: Callable[[], Any]) -> None:
        self.function = function
        self.of = of

    def __call__(self) -> Any:
        """Call the function for this request."""
        return self.function(self.of())


def ask(value: Any, how: Callable[[Any], R | None], otherwise: R | None) -> R | None:
    """Return ``how(value)``, or ``otherwise`` if it raises; the error is logged once."""
    try:
        return how(value)
    except Exception as error:
        report_once(value.function if type(value) is Asked else value, error)
        return otherwise


def report_once(function: Any, error: Exception) -> None:
    """Log the first failure of a function: its name, but no data of the request."""
    named = function if inspect.isroutine(function) else type(function)
    where = f"{named.__module__}.{named.__qualname__}"
    kind = type(error).__name__
    if f"{where} {kind}" not in _reported and len(_reported) < _MOST_REPORTED:
        _reported.add(f"{where} {kind}")
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        place = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else "?"
        _log.error(
            "scope_function_failed: %s raised %s at %s; events are sent without its result"
            " (further failures of this kind are not logged)",
            where,
            kind,
            place,
        )
