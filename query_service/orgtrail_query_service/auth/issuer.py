"""The issuer of tokens over HTTP: its metadata, its keys, and the two calls of a sign-in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from orgtrail_query_service.problems import Problem, unauthenticated
from orgtrail_query_service.settings import QuerySettings

log = structlog.get_logger("orgtrail.query")

_TIMEOUT_S = 5
_MAX_BYTES = 1_000_000
_KEYS_FRESH_S = 300
_ASK_AGAIN_S = 10
_CALLBACK = "/sign-in/callback"


class Issuer:
    """One OpenID provider. What it says is kept, and outlives an outage of it."""

    def __init__(
        self, settings: QuerySettings, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        """``elapsed`` counts seconds.

        Raises:
            OSError, ValueError: the key set's file cannot be used.
        """
        self._settings = settings
        self._elapsed = elapsed
        self._lock = asyncio.Lock()
        self._metadata: dict[str, Any] | None = None
        self._keys = None if settings.jwks_file is None else _keys_of_file(settings.jwks_file)
        self._fetched = self._tried = float("-inf")

    async def keys(self, kid: str | None) -> KeySet:
        """The issuer's public keys: fetched again when old, or when ``kid`` is not among them.

        Raises:
            Problem: there are none, because the issuer has not answered yet.
        """
        if self._settings.jwks_file is None and self._wants_fetch(kid):
            async with self._lock:
                if self._wants_fetch(kid):
                    await self._fetch_keys()
        if self._keys is None:
            raise issuer_away()
        return self._keys

    async def metadata(self) -> dict[str, Any]:
        """The issuer's metadata (OpenID Connect Discovery 1.0, section 4).

        Raises:
            Problem: it does not answer, or speaks for another issuer.
        """
        if self._metadata is None:
            address = self._settings.jwt_issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await _get(address)
            if found.get("issuer") != self._settings.jwt_issuer:
                log.error("issuer_is_another", address=address)
                raise issuer_away()
            self._metadata = found
        return self._metadata

    async def sign_in_address(self, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to sign in (authorization code with PKCE, RFC 7636)."""
        metadata = await self.metadata()
        async with self._client() as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return str(address)

    async def claims(self, code: str, verifier: str) -> tuple[str, Callable[[], Any]]:
        """The ID token that a code is worth, and a call for what the user-info endpoint adds.

        Raises:
            Problem: the issuer refuses the code, or does not answer.
        """
        metadata = await self.metadata()
        client = self._client()
        try:
            token = await client.fetch_token(
                metadata["token_endpoint"], code=code, code_verifier=verifier
            )
        except (OAuthError, ValueError):
            raise unauthenticated("The sign-in could not be completed; try again.") from None
        except httpx.HTTPError:
            raise issuer_away() from None

        async def user_info() -> dict[str, Any]:
            try:
                answer = await client.get(metadata["userinfo_endpoint"])
                return dict(answer.raise_for_status().json())
            except (httpx.HTTPError, ValueError, KeyError):
                return {}

        return str(token.get("id_token", "")), user_info

    def _client(self) -> AsyncOAuth2Client:
        s = self._settings
        secret = s.oidc_client_secret
        return AsyncOAuth2Client(
            client_id=s.oidc_client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            token_endpoint_auth_method="none" if secret is None else "client_secret_basic",
            scope=s.oidc_scope,
            redirect_uri=s.public_url.rstrip("/") + _CALLBACK,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )

    def _wants_fetch(self, kid: str | None) -> bool:
        now = self._elapsed()
        # Whoever sends unknown key ids must not make us ask the issuer for each.
        if now - self._tried < _ASK_AGAIN_S:
            return False
        known = self._keys is not None and (
            kid is None or any(key.kid == kid for key in self._keys.keys)
        )
        return not known or now - self._fetched > _KEYS_FRESH_S

    async def _fetch_keys(self) -> None:
        self._tried = self._elapsed()
        try:
            address = self._settings.jwks_url or (await self.metadata())["jwks_uri"]
            self._keys = public_keys(await _get(address))
            self._fetched = self._elapsed()
        except (Problem, JoseError, ValueError, KeyError) as error:
            # Keys that were good stay good: an outage of the issuer locks nobody out.
            log.warning("keys_not_fetched", error=type(error).__name__)


def issuer_away() -> Problem:
    """The issuer of tokens does not answer, and nothing of it is known yet."""
    return Problem(
        "issuer-unavailable",
        503,
        "Nobody can be signed in now",
        "The issuer of tokens does not answer; try again in a moment.",
        (("Retry-After", "10"),),
    )


def public_keys(document: Any) -> KeySet:
    """The key set of a JSON Web Key Set document.

    Raises:
        ValueError: it holds a symmetric key, or is none.
    """
    try:
        keys = KeySet.import_key_set(document)
    except (JoseError, TypeError, KeyError) as error:
        raise ValueError("is not a JSON Web Key Set") from error
    # A symmetric key in a public set would let anyone who reads the set sign tokens.
    if any(key.key_type == "oct" for key in keys.keys):
        raise ValueError("holds a symmetric key: it must hold public keys only")
    return keys


def _keys_of_file(file: Path) -> KeySet:
    try:
        return public_keys(msgspec.json.decode(file.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


async def _get(address: str) -> dict[str, Any]:
    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client,
            client.stream("GET", address) as answer,
        ):
            answer.raise_for_status()
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise issuer_away()
        return dict(msgspec.json.decode(bytes(body)))
    except (httpx.HTTPError, msgspec.DecodeError, TypeError, ValueError):
        raise issuer_away() from None
