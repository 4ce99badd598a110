import base64
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey
from msgspec.structs import replace
from structlog.testing import capture_logs

from orgtrail_query_service.auth.keys import KeySource, keys_of_file
from orgtrail_query_service.auth.oidc import OidcProvider
from orgtrail_query_service.auth.tokens import TokenVerifier
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.settings import QuerySettings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"})
EVIL = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256"})
CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "orgtrail",
    "sub": "alice",
    "exp": int((NOW + timedelta(hours=1)).timestamp()),
    "org_roles": {"acme": ["admin"], "globex": ["member"], "initech": "admin"},
}


@pytest.fixture
def tokens(tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    settings = QuerySettings(jwt_issuer="https://issuer.example", jwks_file=file, secret="s" * 32)
    return TokenVerifier(settings, KeySource(settings, OidcProvider(settings)).keys)


def token(key=KEY, alg="ES256", header=None, **claims):
    return jwt.encode(
        {"alg": alg, "kid": "k1", **(header or {})}, CLAIMS | claims, key, algorithms=[alg]
    )


def _segment(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _signed_with_the_public_key():
    """What a library that lets the token choose takes for an HMAC of the public key."""
    text = f"{_segment({'alg': 'HS256', 'kid': 'k1'})}.{_segment(CLAIMS)}"
    mac = hmac.digest(KEY.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


async def test_a_role_counts_for_its_organization_alone(tokens):
    found = await tokens.verify(token(), NOW)
    assert found.subject == "alice"
    assert found.organizations == ("acme", "initech")
    found.require("acme")
    for org in ("globex", "missing", ""):
        with pytest.raises(Problem) as problem:
            found.require(org)
        assert problem.value.status == 404


@pytest.mark.parametrize(
    "bound",
    [
        None,
        [],
        "admin",
        "acme:member",
        {"acme": {"admin": False, "member": True}},
        {"acme": {"admin": "true"}},
        {"acme": {"roles": {"admin": None}}},
        {"acme": [["admin"]]},
        {"acme": None},
        {"acme": {"admin": 1}},
        5,
        ["acme"],
        ["admin"],
        [":admin"],
        ["acme:member"],
        [["acme", "admin"]],
        {"unassigned": "admin"},
        ["unassigned:admin"],
    ],
    ids=str,
)
def test_a_claim_of_another_shape_grants_nothing(tokens, bound):
    assert tokens.from_claims(CLAIMS | {"org_roles": bound}).organizations == ()


def test_groups_may_name_an_organization_and_a_role(tokens):
    groups = ["acme:admin", "globex:member", "eu:west:admin"]
    assert tokens.from_claims(CLAIMS | {"org_roles": groups}).organizations == ("acme", "eu:west")


@pytest.mark.parametrize(
    "bound",
    [
        {"acme": "admin"},
        {"acme": ["member", "admin"]},
        {"acme": "member admin"},
        {"acme": {"admin": True, "member": False}},
        {"acme": {"id": "o-1", "roles": ["admin"]}},
        {"acme": "auditor"},
        ["acme:admin", "globex:member"],
        "acme:admin globex:member",
        "acme:auditor",
    ],
    ids=str,
)
def test_roles_come_in_many_shapes(tokens, bound):
    assert tokens.from_claims(CLAIMS | {"org_roles": bound}).organizations == ("acme",)


def test_a_shape_that_is_not_understood_is_logged_once_without_values(tokens):
    with capture_logs() as logs:
        for _ in range(3):
            tokens.from_claims(CLAIMS | {"org_roles": [{"secret": "value"}]})
        tokens.from_claims(CLAIMS | {"org_roles": 5})
    assert [entry["has_the_shape"] for entry in logs] == ["list of dict", "int"]
    assert "secret" not in str(logs)


async def test_without_the_setting_nobody_is_an_auditor(tokens):
    none = replace(tokens._settings, auditor_role="")
    verifier = TokenVerifier(none, tokens._find_keys)
    for bound in ({"acme": ["auditor"]}, {"acme": ""}, ["acme:"]):
        assert verifier.from_claims(CLAIMS | {"org_roles": bound}).organizations == ()


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
async def test_both_names_of_edwards_signatures_are_accepted(tmp_path, alg):
    key = OKPKey.generate_key("Ed25519", {"kid": "k1"})
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    settings = QuerySettings(jwt_issuer="https://issuer.example", jwks_file=file, secret="s" * 32)
    verifier = TokenVerifier(settings, KeySource(settings, OidcProvider(settings)).keys)
    assert (await verifier.verify(token(key, alg), NOW)).subject == "alice"


async def test_a_token_with_three_hundred_organizations_is_read(tokens):
    many = {f"{number:08d}-aaaa-bbbb-cccc-000000000000": ["admin"] for number in range(300)}
    assert len((await tokens.verify(token(org_roles=many), NOW)).organizations) == 300


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({}, "user"),
        ({"azp": "the page"}, "user"),
        ({"client_id": "alice"}, "service_account"),
        ({"azp": "alice"}, "service_account"),
    ],
    ids=str,
)
def test_a_client_that_speaks_for_itself_is_a_service_account(tokens, claims, kind):
    assert tokens.from_claims(CLAIMS | claims).type == kind


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda: token(exp=int(NOW.timestamp()) - 31), id="expired"),
        pytest.param(lambda: token(exp=None), id="exp null"),
        pytest.param(lambda: token(nbf=int(NOW.timestamp()) + 60), id="not yet valid"),
        pytest.param(lambda: token(iat=int(NOW.timestamp()) + 60), id="from the future"),
        pytest.param(lambda: token(header={"kid": "../../dev/null"}), id="kid path"),
        pytest.param(lambda: token(header={"kid": "' OR 1=1 --"}), id="kid injection"),
        pytest.param(
            lambda: token(key=EVIL, header={"jwk": EVIL.as_dict(private=False)}), id="own key"
        ),
        pytest.param(lambda: token(key=EVIL, header={"jku": "http://evil/"}), id="own key set"),
        pytest.param(lambda: "a" * 100_000, id="long"),
        pytest.param(lambda: token(iss="https://evil.example"), id="issuer"),
        pytest.param(lambda: token(aud="other"), id="audience"),
        pytest.param(lambda: token(key=ECKey.generate_key("P-256", {"kid": "k1"})), id="key"),
        pytest.param(lambda: f"{_segment({'alg': 'none'})}.{_segment(CLAIMS)}.", id="alg none"),
        pytest.param(_signed_with_the_public_key, id="key confusion"),
        pytest.param(lambda: token()[:-4] + "AAAA", id="signature"),
        pytest.param(lambda: "garbage", id="garbage"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "a.b.c", id="three parts"),
    ],
)
async def test_tokens_that_prove_nothing_are_a_401(tokens, bad):
    with pytest.raises(Problem) as problem:
        await tokens.verify(bad(), NOW)
    assert problem.value.status == 401


def test_a_symmetric_key_in_the_public_set_is_refused_at_the_start(tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}))
    with pytest.raises(ValueError, match="symmetric"):
        keys_of_file(file)
