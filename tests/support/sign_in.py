"""A browser that signs in at the query service, and an OpenID provider without a network."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from litestar.testing import AsyncTestClient
from tests.support.query_parts import NOW, SETTINGS, FakeDatabase, fake_parts

from orgtrail_deploy.local.issuer import sign_in_folder
from orgtrail_query_service.app import make_app
from orgtrail_query_service.auth.tokens import TokenVerifier

ISSUER = SETTINGS.jwt_issuer
CALLBACK = "/sign-in/callback"


class Provider:
    """An OpenID provider that signs everybody in as alice of acme."""

    def __init__(self):
        self.attempt, self.exchanged, self.promises = {}, [], False
        self.claims = {"sub": "alice", "org_roles": {"acme": "admin"}}
        self.user_info = {}

    async def metadata(self):
        return {"authorization_response_iss_parameter_supported": self.promises}

    async def sign_in_address(self, **attempt):
        self.attempt = attempt
        return f"{ISSUER}/authorize"

    async def exchange(self, code, verifier):
        self.exchanged.append((code, verifier))

        async def user_info():
            return self.user_info

        return "the ID token", user_info


class Tokens(TokenVerifier):
    """Takes the provider's word for the claims of its ID token."""

    def __init__(self, settings, provider):
        super().__init__(settings, None)
        self.provider = provider

    async def claims(self, token, audience, now):
        assert (token, audience) == ("the ID token", "page")
        return {"nonce": self.provider.attempt["nonce"], **self.provider.claims}


class Browser:
    """A browser at the query service; ``now`` is its clock, ``host`` the browser's address."""

    def __init__(self, tmp_path):
        self.now, self.host, self.provider = NOW, "127.0.0.1", Provider()
        settings = msgspec.structs.replace(
            SETTINGS,
            oidc_client_id="page",
            secure_cookies=False,
            sign_in_dir=sign_in_folder(tmp_path),
        )
        parts = replace(
            fake_parts(FakeDatabase()),
            settings=settings,
            provider=self.provider,
            tokens=Tokens(settings, self.provider),
            now=lambda: self.now,
        )
        self._app = make_app(settings, parts)
        self.client = AsyncTestClient(self)

    async def __call__(self, scope, receive, send):
        if "client" in scope:
            scope["client"] = (self.host, 50_000)
        await self._app(scope, receive, send)

    async def get(self, path, **given):
        return await self.client.get(path, follow_redirects=False, **given)

    async def back(self, **changed):
        """What the issuer sends the browser back with, and how that ends."""
        given = {"code": "c1", "state": self.provider.attempt["state"], **changed}
        return await self.get(CALLBACK, params={k: v for k, v in given.items() if v is not None})

    async def is_signed_in(self):
        return (await self.get("/v1/event-types")).status_code == 200
