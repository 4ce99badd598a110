"""Errors as people and programs see them: RFC 9457 problem details."""

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
    """The answer to a request that failed. ``kind`` is the end of the stable type URI."""

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
    """A query parameter is unknown, or its value cannot be used."""
    return Problem("bad-parameter", 400, "Invalid parameter", f"{name}: {detail}")


def bad_request() -> Problem:
    """The HTTP server could not parse the request: malformed, or an address of over 64 KB."""
    return Problem(
        "bad-request",
        400,
        "Malformed request",
        "The request cannot be parsed, or its address is too long.",
    )


def unauthenticated(detail: str) -> Problem:
    """There is no token, or it is not valid."""
    return Problem(
        "unauthenticated", 401, "Sign in first", detail, (("WWW-Authenticate", "Bearer"),)
    )


def not_found() -> Problem:
    """The answer is the same whether a thing does not exist or is not the caller's to read."""
    return Problem(
        "not-found",
        404,
        "Not found",
        "It does not exist, or you may not read its organization's log.",
    )


def too_many_organizations(count: int) -> Problem:
    """A browser session cannot hold all organizations that a person may read."""
    return Problem(
        "too-many-organizations",
        403,
        "Too many organizations for a browser",
        f"You may read {count} organizations, more than a browser session can hold. Use the API"
        " with a token, or an account that may read fewer.",
    )


def unavailable() -> Problem:
    """ClickHouse does not answer."""
    return Problem(
        "unavailable",
        503,
        "The audit log is unavailable",
        "The database does not answer. No events are lost; try again in a moment.",
        (("Retry-After", "5"),),
    )


def too_expensive() -> Problem:
    """ClickHouse stopped the query at its limits."""
    return Problem(
        "too-expensive",
        422,
        "The query is too expensive",
        "It reached its limit of time or memory. Use a shorter range or more filters.",
    )


def not_recorded() -> Problem:
    """An export that cannot be recorded is refused (setting ``record_exports``)."""
    return Problem(
        "not-recorded",
        503,
        "The export cannot be recorded",
        "Every export is recorded in the audit log itself, and Kafka does not accept the record."
        " Try again in a moment.",
        (("Retry-After", "10"),),
    )


def too_many(seconds: int) -> Problem:
    """The caller, or all callers together, exceeded a rate limit."""
    return Problem(
        "too-many-requests",
        429,
        "Too many requests",
        f"Try again in {seconds} seconds.",
        (("Retry-After", str(seconds)),),
    )


def too_many_exports(most: int) -> Problem:
    """All exports that an organization may run at once are running."""
    return Problem(
        "too-many-exports",
        429,
        "Too many exports at once",
        f"You or your organization have {most} exports running. Try again when one has ended.",
        (("Retry-After", "30"),),
    )


def not_acceptable(media_types: list[str]) -> Problem:
    """The caller accepts none of the export formats."""
    return Problem(
        "not-acceptable",
        406,
        "Format not available",
        f"Available formats: {', '.join(media_types)}.",
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
