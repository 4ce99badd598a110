"""The issuer's public keys: from a file, or fetched and kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet

from orgtrail_query_service.auth.oidc import OidcProvider, get_json
from orgtrail_query_service.problems import Problem, issuer_unavailable
from orgtrail_query_service.settings import QuerySettings

log = structlog.get_logger("orgtrail.query")

FindKeys = Callable[[str | None], Awaitable[KeySet]]
"""Gives the issuer's public keys, which should include the one with this ID."""

_FRESH_S = 300
_RETRY_AFTER_S = 10


class KeySource:
    """The issuer's public keys. Keys that were fetched outlive an outage of the issuer."""

    def __init__(
        self,
        settings: QuerySettings,
        provider: OidcProvider,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """``elapsed`` counts seconds.

        Raises:
            OSError, ValueError: the key set's file cannot be used.
        """
        self._settings = settings
        self._provider = provider
        self._elapsed = elapsed
        self._lock = asyncio.Lock()
        file = settings.jwks_file
        self._keys = None if file is None else keys_of_file(file)
        self._fetched = self._tried = float("-inf")

    async def keys(self, kid: str | None) -> KeySet:
        """The keys: fetched again when they are old, or when ``kid`` is not among them.

        Raises:
            Problem: there are none, because the issuer has not answered yet.
        """
        if self._settings.jwks_file is None and self._should_fetch(kid):
            async with self._lock:
                if self._should_fetch(kid):
                    await self._fetch()
        if self._keys is None:
            raise issuer_unavailable()
        return self._keys

    def _should_fetch(self, kid: str | None) -> bool:
        now = self._elapsed()
        # A caller who sends unknown key IDs must not make us ask the issuer for each.
        if now - self._tried < _RETRY_AFTER_S:
            return False
        known = self._keys is not None and (
            kid is None or any(key.kid == kid for key in self._keys.keys)
        )
        return not known or now - self._fetched > _FRESH_S

    async def _fetch(self) -> None:
        self._tried = self._elapsed()
        try:
            url = self._settings.jwks_url or (await self._provider.metadata())["jwks_uri"]
            self._keys = public_keys(await get_json(url))
            self._fetched = self._elapsed()
        except (Problem, JoseError, ValueError, KeyError) as error:
            # Keys that were good stay good: an outage of the issuer locks nobody out.
            log.warning("keys_not_fetched", error=type(error).__name__)


def public_keys(document: Any) -> KeySet:
    """The keys of a JSON Web Key Set document.

    A key of a kind that we do not know is left out: issuers publish keys for other purposes, too.

    Raises:
        ValueError: it is not a key set, has no key that we know, or contains a symmetric key.
    """
    found = document.get("keys") if isinstance(document, dict) else None
    keys = [key for key in map(_key, found if isinstance(found, list) else []) if key is not None]
    if not keys:
        raise ValueError("is not a JSON Web Key Set, or has no key that can be used")
    # A symmetric key in a public set would let anyone who reads the set sign tokens.
    if any(key.key_type == "oct" for key in keys):
        raise ValueError("contains a symmetric key: it must contain public keys only")
    return KeySet(keys)


def _key(document: Any) -> Key | None:
    try:
        return JWKRegistry.import_key(document)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        log.warning("key_left_out", error=type(error).__name__)
        return None


def keys_of_file(file: Path) -> KeySet:
    """The keys of a JSON Web Key Set in a file.

    Raises:
        OSError, ValueError: the file cannot be used; the message names it.
    """
    try:
        return public_keys(msgspec.json.decode(file.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
