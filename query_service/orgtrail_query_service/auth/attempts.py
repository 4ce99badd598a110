"""Sign-ins that have begun: a short-lived signed cookie for each, so that tabs do not clash."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from itsdangerous import BadData, URLSafeSerializer
from litestar.datastructures.cookie import Cookie

from orgtrail_query_service.settings import QuerySettings
from orgtrail_schemas.reading import convert

_DIGEST = re.compile("[0-9a-f]{16}")
_LONGEST_NEXT = 1_024
"""A cookie holds 4,096 bytes."""

_WITHIN = timedelta(minutes=15)
_MOST = 5


class Attempt(msgspec.Struct, frozen=True):
    """One sign-in: what the provider gets, and where the browser returns to until when (UTC)."""

    state: str
    nonce: str
    verifier: str
    next: str
    until: datetime


class Attempts:
    """Makes and reads the cookies."""

    def __init__(self, settings: QuerySettings) -> None:
        self._secure = settings.secure_cookies
        prefix = "__Host-" if settings.secure_cookies else ""
        self._prefix = f"{prefix}orgtrail-sign-in-"
        self._serializer = URLSafeSerializer(
            settings.secret.reveal(),
            salt="sign-in",
            signer_kwargs={"digest_method": hashlib.sha256},
        )

    def new(self, next_path: str, home: str, now: datetime) -> Attempt:
        """An attempt with random values, which ends at ``home`` if the path is too long."""
        next_path = next_path if len(next_path) <= _LONGEST_NEXT else home
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return Attempt(state, nonce, verifier, next_path, now + _WITHIN)

    def cookies(self, attempt: Attempt, held: Mapping[str, str], now: datetime) -> list[Cookie]:
        """The cookie that keeps an attempt, and cookies that end the oldest ones of many."""
        others = [(name, self._read(value, now)) for name, value in held.items() if self._is(name)]
        others.sort(key=lambda pair: pair[1].until if pair[1] else now)
        value = self._serializer.dumps(msgspec.to_builtins(attempt))
        kept = self._cookie(self._name(attempt.state), str(value), _WITHIN)
        too_many = others[: max(0, len(others) - _MOST + 1)]
        return [kept, *(self._cookie(name, "", timedelta()) for name, _ in too_many)]

    def find(self, state: str, held: Mapping[str, str], now: datetime) -> Attempt | None:
        """The attempt of a state; ``None`` if this browser did not begin it, or too long ago."""
        attempt = self._read(held.get(self._name(state), ""), now)
        if attempt is None or not secrets.compare_digest(attempt.state.encode(), state.encode()):
            return None
        return attempt

    def over(self, state: str) -> Cookie:
        """The cookie that forgets an attempt."""
        return self._cookie(self._name(state), "", timedelta())

    def _read(self, value: str, now: datetime) -> Attempt | None:
        try:
            attempt = convert(self._serializer.loads(value), Attempt)
        except (BadData, ValueError):
            return None
        return attempt if attempt.until > now else None

    def _name(self, state: str) -> str:
        # A digest: the state may have any characters and length.
        return self._prefix + hashlib.sha256(state.encode()).hexdigest()[:16]

    def _is(self, name: str) -> bool:
        return _DIGEST.fullmatch(name.removeprefix(self._prefix)) is not None

    def _cookie(self, name: str, value: str, lasts: timedelta) -> Cookie:
        return Cookie(
            key=name,
            value=value,
            max_age=int(lasts.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
