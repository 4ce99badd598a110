"""Who acts in the request at hand, and from where; every ``emit`` within it uses this."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from orgtrail.event import Actor, Context
from orgtrail.request.asked import ask
from orgtrail.request.people import actor_of
from orgtrail.text import Text

P = ParamSpec("P")
R = TypeVar("R")

UNKNOWN = Actor(id="")
"""Whoever a function failed to tell. The event is sent with the id ``unknown``, and says so."""


class Scope:
    """What one request, task or job knows; any part may be set later, by whoever learns it.

    It is one mutable object on purpose: a value that a synchronous dependency of FastAPI puts into
    a ``ContextVar`` of its own is lost before the handler runs, since it runs in another thread's
    copy of the context. All copies see the same ``Scope``.

    ``actor``, ``impersonator`` and ``org_id`` may be functions: they are called at each ``emit``,
    when the request is authenticated. A person may be an ``Actor`` or a framework's user object
    (``orgtrail.request.people.actor_of`` says which ones).
    """

    __slots__ = (
        "_impersonator",
        "_ip",
        "_org_id",
        "actor",
        "request_id",
        "session_id",
        "trace_id",
        "traceparent",
        "user_agent",
    )

    def __init__(
        self,
        *,
        actor: Any = None,
        impersonator: Any = None,
        org_id: str | Callable[[], Any] | None = None,
        ip: Text | Callable[[], str] = "",
        user_agent: Text = "",
        request_id: Text = "",
        session_id: Text = "",
        trace_id: Text = "",
        traceparent: str = "",
    ) -> None:
        self.actor: Any = actor
        self._impersonator = impersonator
        self._org_id = org_id
        self._ip = ip
        self.user_agent = user_agent
        self.request_id = request_id
        self.session_id = session_id
        self.trace_id = trace_id
        self.traceparent = traceparent

    def who(self) -> Actor | None:
        """Who acts, as far as it is known now; ``UNKNOWN`` when the function for it fails."""
        actor = self.actor
        if actor is None or type(actor) is Actor:
            return actor
        return ask(actor, _person, UNKNOWN)

    @property
    def impersonator(self) -> Actor | None:
        """Who acts in the actor's place, as far as it is known now."""
        impersonator = self._impersonator
        return None if impersonator is None else ask(impersonator, _person, None)

    @impersonator.setter
    def impersonator(self, value: Any) -> None:
        self._impersonator = value

    @property
    def org_id(self) -> Any:
        """The organization, as far as it is known now."""
        org_id = self._org_id
        return ask(org_id, _value, None) if callable(org_id) else org_id

    @org_id.setter
    def org_id(self, value: str | Callable[[], Any] | None) -> None:
        self._org_id = value

    @property
    def ip(self) -> Any:
        """The address of the client; a function for it is called once, when it is needed."""
        if callable(self._ip):
            self._ip = self._ip()
        return self._ip

    @ip.setter
    def ip(self, value: Text) -> None:
        self._ip = value

    def where(self) -> Context:
        """Where the request came from."""
        return Context(
            ip=self.ip,
            user_agent=self.user_agent,
            request_id=self.request_id,
            session_id=self.session_id,
            trace_id=self.trace_id,
        )

    def copy(self) -> Scope:
        """What is known now, apart from this scope: its functions have been called."""
        return Scope(
            actor=self.who(),
            impersonator=self.impersonator,
            org_id=self.org_id,
            ip=self.ip,
            user_agent=self.user_agent,
            request_id=self.request_id,
            session_id=self.session_id,
            trace_id=self.trace_id,
            traceparent=self.traceparent,
        )


_current: ContextVar[Scope | None] = ContextVar("orgtrail_scope", default=None)

current: Callable[[], Scope | None] = _current.get
"""The scope of the request at hand, or ``None`` outside of one."""


@contextmanager
def audit_scope(scope: Scope | None = None, **fields: Any) -> Iterator[Scope]:
    """Make a scope the current one within a ``with`` block; ``fields`` make a new one.

    Without a field it is an empty one, for work that the request at hand only happened to start.
    """
    entered = scope or Scope(**fields)
    token = _current.set(entered)
    try:
        yield entered
    finally:
        leave(token)


def enter(scope: Scope | None) -> Token[Scope | None]:
    """Make a scope the current one until ``leave``, for code that cannot use a ``with`` block."""
    return _current.set(scope)


def leave(token: Token[Scope | None]) -> None:
    """Make the scope before ``enter`` the current one again."""
    try:
        _current.reset(token)
    except ValueError:
        # Entered in another context, which nobody sees any more; this one must not keep a scope.
        _current.set(None)


def update(**fields: Any) -> None:
    """Set fields of the current scope; outside of one nothing happens."""
    scope = _current.get()
    if scope is not None:
        for name, value in fields.items():
            setattr(scope, name, value)


def bind(function: Callable[P, R]) -> Callable[P, R]:
    """The function with the scope of now, for another thread: ``pool.submit(bind(work), 1)``.

    It gets a copy of what is known now, so the request may end before the function runs.
    """
    scope = _current.get()
    taken = None if scope is None else scope.copy()

    def enter_copy() -> Token[Scope | None]:
        return _current.set(None if taken is None else taken.copy())

    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def bound_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            token = enter_copy()
            try:
                return await function(*args, **kwargs)
            finally:
                leave(token)

        return bound_coroutine  # type: ignore[return-value]

    @wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        token = enter_copy()
        try:
            return function(*args, **kwargs)
        finally:
            leave(token)

    return bound


def _person(value: Any) -> Actor | None:
    # A LocalProxy of Werkzeug stands for a user, though it can be called.
    asked = callable(value) and not hasattr(type(value), "_get_current_object")
    return actor_of(value() if asked else value)


def _value(function: Callable[[], Any]) -> Any:
    return function()
