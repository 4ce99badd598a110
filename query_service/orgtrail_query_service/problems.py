"""Errors as people and programs see them: RFC 9457 problem details, from one table."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class ProblemBody(msgspec.Struct, frozen=True):
    """A problem (RFC 9457): ``type`` is stable, ``detail`` is for people."""

    type: str
    title: str
    status: int
    detail: str


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - it is the RFC's word
    """What is answered instead of what was asked for. ``kind`` ends the stable type URI."""

    kind: str
    status: int
    title: str
    detail: str
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def type(self) -> str:
        """The problem's type, stable over versions."""
        return f"urn:orgtrail:problem:{self.kind}"

    @property
    def body(self) -> ProblemBody:
        """What a program gets."""
        return ProblemBody(self.type, self.title, self.status, self.detail)


def bad_parameter(name: str, detail: str) -> Problem:
    """A query parameter that is unknown or has a value that cannot be used."""
    return Problem("bad-parameter", 400, "A parameter cannot be used", f"{name}: {detail}")


def bad_request() -> Problem:
    """What the HTTP server could not read: malformed, or an address of more than 64 KB."""
    return Problem(
        "bad-request",
        400,
        "The request cannot be read",
        "It is malformed, or its address too long.",
    )


def unauthenticated(detail: str) -> Problem:
    """No token, or none that is valid."""
    return Problem(
        "unauthenticated", 401, "Sign in first", detail, (("WWW-Authenticate", "Bearer"),)
    )


def not_found() -> Problem:
    """The same whether it does not exist or is not the caller's to read."""
    return Problem(
        "not-found", 404, "Not found", "There is no such thing, or it is not yours to administer."
    )


def unavailable() -> Problem:
    """ClickHouse does not answer."""
    return Problem(
        "unavailable",
        503,
        "The audit log cannot be read now",
        "The storage does not answer. Nothing is lost; try again in a moment.",
        (("Retry-After", "5"),),
    )


def too_expensive() -> Problem:
    """ClickHouse stopped the query at its limits."""
    return Problem(
        "too-expensive",
        422,
        "The request reads too much",
        "It was stopped at its limit of time or memory. Narrow the range or the filters.",
    )


def not_recorded() -> Problem:
    """An export that would leave no trace is refused (``record_exports``)."""
    return Problem(
        "not-recorded",
        503,
        "The export cannot be recorded now",
        "Every export is recorded in the audit log itself, and Kafka does not take the record;"
        " try again in a moment.",
        (("Retry-After", "10"),),
    )


def too_many(seconds: int) -> Problem:
    """The caller, or everybody together, asks more often than the limits allow."""
    return Problem(
        "too-many-requests",
        429,
        "Too many requests",
        f"Try again in {seconds} seconds.",
        (("Retry-After", str(seconds)),),
    )


def not_acceptable(media_types: list[str]) -> Problem:
    """No format of an export is one that the caller accepts."""
    return Problem(
        "not-acceptable", 406, "No such format", f"An export is one of {', '.join(media_types)}."
    )


def issuer_unavailable() -> Problem:
    """The token issuer does not answer, and nothing is known of it yet."""
    return Problem(
        "issuer-unavailable",
        503,
        "Sign-in is unavailable",
        "The identity provider does not answer; try again in a moment.",
        (("Retry-After", "10"),),
    )
