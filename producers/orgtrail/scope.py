"""The current request's actor, organization and origin, which ``emit`` uses as defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from orgtrail.event import Actor, Context
from orgtrail.request.people import actor_of
from orgtrail.request.service_callbacks import ask
from orgtrail.text import Text

P = ParamSpec("P")
R = TypeVar("R")

UNKNOWN = Actor(id="")
"""The actor when the service's function fails. The event is sent with the actor id ``unknown``."""


class Scope:
    """The audit context of one request, task or job. Any field may be set later.

    It is a single mutable object because a synchronous FastAPI dependency runs in a thread with a
    copy of the context. A ``ContextVar`` that it sets is lost before the handler runs, but all
    copies of the context refer to the same ``Scope``.

    ``actor``, ``impersonator`` and ``org_id`` may be functions. They are called at each ``emit``,
    when the request has been authenticated. A person may be an ``Actor`` or a framework's user
    object (see ``orgtrail.request.people.actor_of``).
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
        """Return the actor known so far, or ``UNKNOWN`` if the service's function fails."""
        actor = self.actor
        if actor is None or type(actor) is Actor:
            return actor
        return ask(actor, _person, UNKNOWN)

    @property
    def impersonator(self) -> Actor | None:
        """The person who uses the actor's account, if known so far."""
        impersonator = self._impersonator
        return None if impersonator is None else ask(impersonator, _person, None)

    @impersonator.setter
    def impersonator(self, value: Any) -> None:
        self._impersonator = value

    @property
    def org_id(self) -> Any:
        """The organization, if known so far."""
        org_id = self._org_id
        return ask(org_id, _value, None) if callable(org_id) else org_id

    @org_id.setter
    def org_id(self, value: str | Callable[[], Any] | None) -> None:
        self._org_id = value

    @property
    def ip(self) -> Any:
        """The client's IP address. If it is a function, it is called once, on first use."""
        if callable(self._ip):
            self._ip = self._ip()
        return self._ip

    @ip.setter
    def ip(self, value: Text) -> None:
        self._ip = value

    def where(self) -> Context:
        """Return the origin of the request as a ``Context``."""
        return Context(
            ip=self.ip,
            user_agent=self.user_agent,
            request_id=self.request_id,
            session_id=self.session_id,
            trace_id=self.trace_id,
        )

    def copy(self) -> Scope:
        """Return an independent copy with the current values; functions are called now."""
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
"""Return the current scope, or ``None`` outside of one."""


@contextmanager
def audit_scope(scope: Scope | None = None, **fields: Any) -> Iterator[Scope]:
    """Set the current scope within a ``with`` block: ``scope``, or a new one with ``fields``.

    Without arguments the scope is empty. Use that for work that outlives the request.
    """
    entered = scope or Scope(**fields)
    token = _current.set(entered)
    try:
        yield entered
    finally:
        leave(token)


def enter(scope: Scope | None) -> Token[Scope | None]:
    """Set the current scope until ``leave``, for code that cannot use a ``with`` block."""
    return _current.set(scope)


def leave(token: Token[Scope | None]) -> None:
    """Restore the scope that was current before ``enter``."""
    try:
        _current.reset(token)
    except ValueError:
        # The token comes from another context, which is no longer in use. Clear this context's
        # scope, so that it does not leak into the next request.
        _current.set(None)


def update(**fields: Any) -> None:
    """Set fields of the current scope. Does nothing outside of a scope."""
    scope = _current.get()
    if scope is not None:
        for name, value in fields.items():
            setattr(scope, name, value)


def bind(function: Callable[P, R]) -> Callable[P, R]:
    """Bind the current scope to a function, for another thread: ``pool.submit(bind(work), 1)``.

    The function runs with a copy of the scope, so the request may end before it runs.
    """
    scope = _current.get()
    snapshot = None if scope is None else scope.copy()

    def enter_copy() -> Token[Scope | None]:
        return _current.set(None if snapshot is None else snapshot.copy())

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
    # A Werkzeug LocalProxy is callable, but it is a user object and not a function.
    is_function = callable(value) and not hasattr(type(value), "_get_current_object")
    return actor_of(value() if is_function else value)


def _value(function: Callable[[], Any]) -> Any:
    return function()
