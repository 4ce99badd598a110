"""Tokens and sign-in links of the local stack, as the query service verifies them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.issuer import (
    ADMINISTRATOR,
    AUDIENCE,
    ISSUER,
    ensure_issuer,
    jwks_file,
    make_sign_in_code,
    make_token,
    sign_in_folder,
)
from orgtrail_query_service.auth.keys import KeySource
from orgtrail_query_service.auth.oidc import OidcProvider
from orgtrail_query_service.auth.tickets import consume
from orgtrail_query_service.auth.tokens import TokenVerifier
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.settings import QuerySettings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def root(tmp_path):
    ensure_issuer(tmp_path)
    return tmp_path


def verifier(root):
    settings = QuerySettings(
        jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwks_file=jwks_file(root), secret="s" * 32
    )
    return TokenVerifier(settings, KeySource(settings, OidcProvider(settings)).keys)


async def test_the_query_service_accepts_a_token(root):
    who = await verifier(root).verify(make_token(root, ["acme", "globex"], NOW), NOW)
    assert (who.subject, who.organizations) == (ADMINISTRATOR, ("acme", "globex"))


async def test_a_role_and_a_subject_can_be_chosen(root):
    token = make_token(root, ["acme"], NOW, role="member", subject="bob")
    who = await verifier(root).verify(token, NOW)
    assert (who.subject, who.organizations) == ("bob", ())


@pytest.mark.parametrize(
    ("lasts", "later", "accepted"),
    [
        (None, timedelta(hours=11), True),
        (None, timedelta(hours=13), False),
        (timedelta(minutes=5), timedelta(minutes=4), True),
        (timedelta(minutes=5), timedelta(minutes=6), False),
    ],
)
async def test_a_token_expires(root, lasts, later, accepted):
    token = make_token(root, ["acme"], NOW, **({} if lasts is None else {"lasts": lasts}))
    if accepted:
        assert await verifier(root).verify(token, NOW + later)
    else:
        with pytest.raises(Problem):
            await verifier(root).verify(token, NOW + later)


async def test_a_token_of_another_stack_is_refused(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    ensure_issuer(other)
    with pytest.raises(Problem):
        await verifier(root).verify(make_token(other, ["acme"], NOW), NOW)


async def test_a_restart_keeps_the_key(root):
    token = make_token(root, ["acme"], NOW)
    ensure_issuer(root)
    assert await verifier(root).verify(token, NOW)


def test_the_public_file_holds_no_private_key(root):
    (key,) = json.loads(jwks_file(root).read_text())["keys"]
    assert "d" not in key
    assert key["kid"]
    private = root / "issuer.json"
    assert "d" in json.loads(private.read_text())
    assert private.stat().st_mode & 0o077 == 0


def test_a_folder_without_a_stack_is_named(tmp_path):
    with pytest.raises(StackError, match=rf"^[^\n]*{tmp_path}[^\n]*$"):
        make_token(tmp_path, ["acme"], NOW)


def test_a_sign_in_code_grants_the_organizations_to_the_administrator(root):
    codes = {make_sign_in_code(root, [org], NOW) for org in ("acme", "globex")}
    folder = sign_in_folder(root)
    assert {consume(folder, code, NOW).organizations for code in codes} == {("acme",), ("globex",)}
    assert folder.stat().st_mode & 0o077 == 0
