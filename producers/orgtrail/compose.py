"""Composes an event from the arguments of ``emit``, the request's scope and the settings."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from orgtrail.build import make_event
from orgtrail.envelope import seal
from orgtrail.errors import AuditError, InvalidEventError, SettingsError
from orgtrail.event import Actor, Context, Event
from orgtrail.request.fill_arguments import completed
from orgtrail.request.traceparent import validated
from orgtrail.scope import current
from orgtrail.settings import ProducerSettings
from orgtrail.typed.unlisted import UnlistedWarnings
from orgtrail_schemas.catalogue import SHIPPED, Catalogue, catalogue, read_catalogue
from orgtrail_schemas.settings import PREFIX

BeforeSend = Callable[[Event], Event | None]

MISTAKES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What arguments of unexpected types may raise. ``emit`` raises ``AuditError`` instead.

Exceptions from outside, such as a task's time limit, are not listed and propagate.
"""

_log = logging.getLogger("orgtrail")


class Composed(NamedTuple):
    """One event: its id, and its records, one for each organization. A hook may drop them all."""

    event_id: str
    events: list[Event]
    traceparent: str


class Composer:
    """Turns the arguments of ``emit`` into validated, completed and redacted events."""

    def __init__(self, settings: ProducerSettings, before_send: BeforeSend | None) -> None:
        """``before_send`` is the hook of ``AuditProducer``.

        Raises:
            SettingsError: the company's own catalogue cannot be read.
        """
        self._service = settings.service
        self._catalogue = _catalogue(settings)
        self._unlisted = UnlistedWarnings(self._catalogue)
        self._before_send = before_send
        self._failed_hooks = 0

    def compose(
        self,
        event: str,
        *,
        org_id: Any = None,
        actor: Actor | None = None,
        impersonator: Actor | None = None,
        context: Context | None = None,
        traceparent: str | None = None,
        **details: Any,
    ) -> Composed:
        """Compose an event. ``details`` are the other arguments of ``make_event``.

        Raises:
            InvalidEventError: an argument is invalid; the error names the field.
        """
        try:
            scope = current()
            if scope is not None:
                org_id, actor, impersonator, context, traceparent = completed(
                    scope, org_id, actor, impersonator, context, traceparent
                )
            if actor is None:
                raise InvalidEventError("actor", "is required: pass one, or open a scope with one")
            trace = ""
            if traceparent:
                trace, trace_id = validated(traceparent)
                if trace_id and (context is None or not context.trace_id):
                    context = replace(context or Context(), trace_id=trace_id)
            events = make_event(
                event,
                org_id=org_id,
                actor=actor,
                impersonator=impersonator,
                context=context,
                service=self._service,
                now_ms=time.time_ns() // 1_000_000,
                known=self._catalogue,
                **details,
            )
            if event not in self._catalogue.events:
                self._unlisted.warn_once(event)
        except AuditError:
            raise
        except MISTAKES as error:
            raise InvalidEventError("event", f"is invalid ({type(error).__name__})") from error
        identity = events[0].event_id
        if self._before_send is not None:
            events = [sent for one in events if (sent := self._filtered(one)) is not None]
        return Composed(identity, events, trace)

    def _filtered(self, event: Event) -> Event | None:
        hook = self._before_send
        try:
            hooked = event if hook is None else hook(event)
            if hooked is not None:
                # Encode it once to check that the hook returned a valid event.
                seal(hooked, 0, 0)
            return hooked
        except Exception as error:
            self._failed_hooks += 1
            if self._failed_hooks == 1:
                _log.error(
                    "before_send failed with %s: events are sent unchanged (logged once)",
                    type(error).__name__,
                )
            return event


def _catalogue(settings: ProducerSettings) -> Catalogue:
    if settings.catalogue_file is None:
        return catalogue()
    try:
        return read_catalogue(SHIPPED, settings.catalogue_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{PREFIX}CATALOGUE_FILE: {error}") from None
