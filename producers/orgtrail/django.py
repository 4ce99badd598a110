"""Request scopes for Django: ``MIDDLEWARE += ["orgtrail.django.AuditMiddleware"]``.

Optional settings:

- ``ORGTRAIL_ACTOR``: dotted path of a function that takes the request and returns the actor. The
  default is ``request.user`` if a user is signed in.
- ``ORGTRAIL_ORG_ID``: dotted path of a function that takes the request and returns the
  organization.
- ``ORGTRAIL_TRUSTED_PROXIES``: networks, as a string or a list (``orgtrail.request.proxies``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.db import connections
from django.http import FileResponse
from django.utils.functional import SimpleLazyObject, empty
from django.utils.module_loading import import_string

from orgtrail.request.reader import Requests
from orgtrail.scope import Scope, enter, leave
from orgtrail.wsgi import scope_of

T = TypeVar("T")


class AuditMiddleware:
    """Opens a scope for each request, in synchronous and asynchronous projects.

    Its position in ``MIDDLEWARE`` does not matter, because the user is read at each ``emit``.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)
        actor = getattr(settings, "ORGTRAIL_ACTOR", None)
        org_id = getattr(settings, "ORGTRAIL_ORG_ID", None)
        self._requests = Requests(
            import_string(actor) if actor else user_of,
            import_string(org_id) if org_id else None,
            getattr(settings, "ORGTRAIL_TRUSTED_PROXIES", None),
        )

    def __call__(self, request: Any) -> Any:
        """Handle the request in its scope."""
        scope = scope_of(self._requests, request.META, lambda: request)
        if self._async:
            return self._in_loop(request, scope)
        token = enter(scope)
        try:
            return _streamed(self.get_response(request), scope)
        finally:
            leave(token)

    async def _in_loop(self, request: Any, scope: Scope) -> Any:
        token = enter(scope)
        try:
            return _streamed(await self.get_response(request), scope)
        finally:
            leave(token)


def user_of(request: Any) -> Any:
    """Return the user of a request, including in an async view that has not loaded it yet."""
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject) and user._wrapped is empty and _in_event_loop():
        cached = getattr(request, "_acached_user", None)  # set by `await request.auser()`
        return cached if cached is not None else _in_thread(lambda: _evaluated(user))
    return user


def _evaluated(user: Any) -> Any:
    user.is_authenticated  # noqa: B018 - loads it
    return user


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_thread(function: Callable[[], T]) -> T:
    """Run a function that queries the database, which Django forbids in an event loop's thread."""

    def work() -> T:
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _streamed(response: Any, scope: Scope) -> Any:
    """Make a streaming response produce its parts in the scope, after the middleware returned."""
    if getattr(response, "streaming", False) and not isinstance(response, FileResponse):
        parts = response.streaming_content
        response.streaming_content = (
            _each_async(parts, scope) if response.is_async else _each(parts, scope)
        )
    return response


def _each(parts: Iterator[T], scope: Scope) -> Iterator[T]:
    parts = iter(parts)
    while True:
        token = enter(scope)
        try:
            part = next(parts)
        except StopIteration:
            return
        finally:
            leave(token)
        yield part


async def _each_async(parts: AsyncIterator[T], scope: Scope) -> AsyncIterator[T]:
    parts = aiter(parts)
    while True:
        token = enter(scope)
        try:
            part = await anext(parts)
        except StopAsyncIteration:
            return
        finally:
            leave(token)
        yield part
