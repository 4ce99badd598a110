"""A real OpenID provider (Canaille), people who sign in there, and a service that trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from tests.support.events import emit_arguments
from tests.support.running import Running
from tests.support.service import OwnService, own_service

ORG = "sso"
SECRET = "a-client-secret"
PASSWORD = "correct horse battery staple"


@contextmanager
def signing_in(
    running: Running, provider: Any, folder: Path, public_url: str = "", **more: str
) -> Iterator[OwnService]:
    """A service whose administrators sign in at the provider; ``more`` are its settings."""
    if not running.events(ORG):
        with running.producer() as producer:
            producer.emit("user.login", **emit_arguments("user.login") | {"org_id": ORG})
        running.wait_for(ORG, 1)
    settings = {
        "jwt_issuer": provider.url.rstrip("/"),
        "jwks_file": "",
        "sign_in_dir": "",
        "oidc_client_id": "orgtrail",
        "oidc_client_secret": SECRET,
        "oidc_scope": "openid profile email groups",
        "claim_org_roles": "groups",
        "secure_cookies": "true",
    } | more
    if public_url:
        settings["public_url"] = public_url
    with own_service(running, folder, **settings) as made:
        _register(provider, f"{public_url or made.url}/sign-in/callback")
        yield made


def _register(provider: Any, callback: str) -> None:
    for kept in provider.backend.query(provider.models.Client, client_id="orgtrail"):
        provider.backend.delete(kept)
    client = provider.models.Client(
        client_id="orgtrail",
        client_secret=SECRET,
        client_name="Orgtrail",
        redirect_uris=[callback],
        grant_types=["authorization_code"],
        response_types=["code"],
        token_endpoint_auth_method="client_secret_basic",
        scope=["openid", "profile", "email", "groups"],
    )
    provider.backend.save(client)
    provider.backend.update(client, audience=[client])
    provider.backend.save(client)


def forget_sign_ins(provider: Any) -> None:
    """Its memory takes a code or consent of the same client for the one that it looks for."""
    for kind in (provider.models.AuthorizationCode, provider.models.Consent):
        for kept in provider.backend.query(kind):
            provider.backend.delete(kept)


def sign_in(page: Page, name: str, answer: str = "accept") -> None:
    """At the provider's own forms, as a person does."""
    page.fill("input[name=login]", name)
    page.press("input[name=login]", "Enter")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.locator(f"button[value={answer}]").click()
