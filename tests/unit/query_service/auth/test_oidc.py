import gzip
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace
from tests.support.web import Web

from orgtrail_query_service.auth.oidc import OidcProvider, get_json
from orgtrail_query_service.problems import Problem
from orgtrail_query_service.settings import QuerySettings
from orgtrail_schemas.settings import Secret

ISSUER = "https://issuer.example"
DISCOVERY = "/.well-known/openid-configuration"
SETTINGS = QuerySettings(
    jwt_issuer=ISSUER, secret="s" * 32, oidc_client_id="page", public_url="https://audit.example/"
)
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "userinfo_endpoint": f"{ISSUER}/userinfo",
}
TOKEN = {"access_token": "a", "token_type": "Bearer", "id_token": "i"}


@pytest.fixture
def web(monkeypatch):
    made = Web(monkeypatch)
    made.answers[DISCOVERY] = (200, json.dumps(METADATA))
    return made


async def kind_of(awaitable):
    with pytest.raises(Problem) as raised:
        await awaitable
    return raised.value.kind


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (302, "{}"),
        (404, "{}"),
        (500, "{}"),
        (200, ""),
        (200, "<html>"),
        (200, "[1, 2]"),
        (200, "5"),
        (200, "null"),
        (200, json.dumps({"a": "b" * 1_000_000})),
    ],
    ids=lambda answer: ascii(answer)[:24],
)
async def test_what_is_not_a_json_object_is_an_unavailable_issuer(web, answer):
    web.answers["/keys"] = answer
    web.headers = {"Location": "https://evil.example/"}
    assert await kind_of(get_json(f"{ISSUER}/keys")) == "issuer-unavailable"
    assert len(web.requests) == 1


async def test_a_small_answer_that_expands_beyond_the_limit_is_refused(web):
    web.answers["/keys"] = (200, gzip.compress(json.dumps({"a": "b" * 1_000_000}).encode()))
    web.headers = {"Content-Encoding": "gzip"}
    assert await kind_of(get_json(f"{ISSUER}/keys")) == "issuer-unavailable"


async def test_metadata_is_asked_for_once_it_has_answered(web):
    provider = OidcProvider(SETTINGS)
    good, web.answers[DISCOVERY] = web.answers[DISCOVERY], None
    assert await kind_of(provider.metadata()) == "issuer-unavailable"
    web.answers[DISCOVERY] = good
    assert await provider.metadata() == await provider.metadata() == METADATA
    assert len(web.requests) == 2


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", "https://evil.example", None, 5])
async def test_metadata_of_another_issuer_is_refused_and_not_kept(web, issuer):
    provider = OidcProvider(SETTINGS)
    web.answers[DISCOVERY] = (200, json.dumps({"issuer": issuer}))
    for _ in range(2):
        assert await kind_of(provider.metadata()) == "issuer-unavailable"
    assert len(web.requests) == 2


async def test_a_browser_is_sent_with_the_challenge_and_not_with_the_verifier(web):
    address = await OidcProvider(SETTINGS).sign_in_address("st", "no", "v" * 43)
    sent = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(METADATA["authorization_endpoint"] + "?")
    assert sent.pop("code_challenge")
    assert sent == {
        "response_type": "code",
        "client_id": "page",
        "redirect_uri": "https://audit.example/sign-in/callback",
        "scope": "openid email profile",
        "state": "st",
        "nonce": "no",
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize(
    ("secret", "authorization", "in_body"), [(None, None, ["page"]), ("x", "Basic cGFnZTp4", None)]
)
async def test_a_code_is_exchanged_with_its_verifier(web, secret, authorization, in_body):
    web.answers |= {"/token": (200, json.dumps(TOKEN)), "/userinfo": (200, '{"sub": "alice"}')}
    settings = replace(SETTINGS, oidc_client_secret=Secret(secret) if secret else None)
    id_token, user_info = await OidcProvider(settings).exchange("c1", "v" * 43)
    assert (id_token, await user_info()) == ("i", {"sub": "alice"})
    _, exchanged, asked = web.requests
    body = parse_qs(exchanged.content.decode())
    assert (body["code"], body["code_verifier"], body.get("client_id")) == (
        ["c1"],
        ["v" * 43],
        in_body,
    )
    assert exchanged.headers.get("authorization") == authorization
    assert asked.headers["authorization"] == "Bearer a"


@pytest.mark.parametrize(
    "answer", [(400, '{"error": "invalid_grant"}'), (200, "<html>"), (200, "[1]"), (200, "null")]
)
async def test_a_code_that_is_rejected_is_a_401(web, answer):
    web.answers["/token"] = answer
    assert await kind_of(OidcProvider(SETTINGS).exchange("c1", "v" * 43)) == "unauthenticated"


@pytest.mark.parametrize("answer", [None, (500, "{}"), (502, "<html>")], ids=str)
async def test_a_provider_that_fails_at_the_exchange_is_a_503(web, answer):
    web.answers["/token"] = answer
    assert await kind_of(OidcProvider(SETTINGS).exchange("c1", "v" * 43)) == "issuer-unavailable"


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>"),
        None,
        (500, "{}"),
        (200, "[1, 2]"),
        (200, "null"),
    ],
    ids=str,
)
async def test_user_info_that_fails_grants_nothing(web, answer):
    web.answers |= {"/token": (200, json.dumps(TOKEN)), "/userinfo": answer}
    _, user_info = await OidcProvider(SETTINGS).exchange("c1", "v" * 43)
    assert await user_info() == {}


async def test_an_access_token_of_under_a_minute_does_not_fail_the_sign_in(web):
    web.answers |= {
        "/token": (200, json.dumps(TOKEN | {"expires_in": 60})),
        "/userinfo": (200, "{}"),
    }
    _, user_info = await OidcProvider(SETTINGS).exchange("c1", "v" * 43)
    assert await user_info() == {}
