"""The OpenID provider over HTTP: its metadata, and the two calls of a sign-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client, oauth2_client

from orgtrail_query_service.problems import issuer_unavailable, unauthenticated
from orgtrail_query_service.settings import QuerySettings

log = structlog.get_logger("orgtrail.query")

# Authlib uses httpx2 where it is installed, whose errors are not those of httpx.
_HTTP_ERRORS = (httpx.HTTPError, oauth2_client.httpx2.HTTPError)
_TIMEOUT_S = 5
_MAX_BYTES = 1_000_000
_CALLBACK = "/sign-in/callback"


class OidcProvider:
    """One OpenID provider. Its metadata is kept once it has answered."""

    def __init__(self, settings: QuerySettings) -> None:
        self._settings = settings
        self._metadata: dict[str, Any] | None = None

    async def metadata(self) -> dict[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0, section 4).

        Raises:
            Problem: the provider does not answer, or names another issuer.
        """
        if self._metadata is None:
            url = self._settings.jwt_issuer.rstrip("/") + "/.well-known/openid-configuration"
            metadata = await get_json(url)
            if metadata.get("issuer") != self._settings.jwt_issuer:
                log.error("issuer_mismatch", address=url)
                raise issuer_unavailable()
            self._metadata = metadata
        return self._metadata

    async def sign_in_address(self, state: str, nonce: str, verifier: str) -> str:
        """Where a browser goes to sign in (authorization code with PKCE, RFC 7636)."""
        metadata = await self.metadata()
        async with self._client() as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return str(address)

    async def exchange(self, code: str, verifier: str) -> tuple[str, Callable[[], Any]]:
        """The ID token for an authorization code, and a call for the user-info endpoint's claims.

        Raises:
            Problem: the provider rejects the code, or does not answer.
        """
        metadata = await self.metadata()
        client = self._client()
        try:
            token = await client.fetch_token(
                metadata["token_endpoint"], code=code, code_verifier=verifier
            )
        except (OAuthError, ValueError, TypeError, AttributeError):
            raise unauthenticated("The sign-in could not be completed; try again.") from None
        except _HTTP_ERRORS:
            raise issuer_unavailable() from None
        except KeyError:
            log.error("issuer_metadata_incomplete", address=self._settings.jwt_issuer)
            raise issuer_unavailable() from None
        finally:
            await client.aclose()

        async def user_info() -> dict[str, Any]:
            try:
                async with self._client(token) as asking:
                    answer = await asking.get(metadata["userinfo_endpoint"])
                return dict(answer.raise_for_status().json())
            except (*_HTTP_ERRORS, OAuthError, ValueError, KeyError, TypeError):
                return {}

        return str(token.get("id_token", "")), user_info

    def _client(self, token: Any = None) -> AsyncOAuth2Client:
        s = self._settings
        secret = s.oidc_client_secret
        return AsyncOAuth2Client(
            client_id=s.oidc_client_id,
            client_secret=None if secret is None else secret.reveal(),
            token_endpoint_auth_method="none" if secret is None else "client_secret_basic",
            scope=s.oidc_scope,
            redirect_uri=s.public_url.rstrip("/") + _CALLBACK,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
            token=token,
        )


async def get_json(url: str) -> dict[str, Any]:
    """A JSON object of at most a megabyte; redirects are not followed.

    Raises:
        Problem: there is no such answer within 5 seconds.
    """
    try:
        async with (
            httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client,
            client.stream("GET", url) as answer,
        ):
            answer.raise_for_status()
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BYTES:
                    raise issuer_unavailable()
        return dict(msgspec.json.decode(bytes(body)))
    except (httpx.HTTPError, msgspec.DecodeError, TypeError, ValueError):
        raise issuer_unavailable() from None
