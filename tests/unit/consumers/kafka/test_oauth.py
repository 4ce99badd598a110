"""The token that aiokafka is given: of the client-credentials grant, renewed in time."""

import base64
import json
from contextlib import contextmanager
from io import BytesIO
from urllib.parse import parse_qs

import faust
import pytest

from orgtrail_consumers.kafka import credentials as module
from orgtrail_consumers.settings import ConsumerSettings

SETTINGS = ConsumerSettings(
    kafka_security_protocol="SASL_PLAINTEXT",
    kafka_sasl_mechanism="OAUTHBEARER",
    kafka_sasl_username="orgtrail consumer",
    kafka_sasl_password="s3:cret",
    kafka_oauth_token_url="http://issuer.example/token",
    kafka_oauth_scope="kafka",
)


class Issuer:
    def __init__(self, *lives):
        self.lives, self.asked = list(lives), []

    @contextmanager
    def open(self, request, timeout):
        self.asked.append(request)
        answer = {"access_token": f"token-{len(self.asked)}", "expires_in": self.lives.pop(0)}
        yield BytesIO(json.dumps(answer).encode())


@pytest.fixture
def issuer(monkeypatch):
    issuer = Issuer(300, 20, 300)
    monkeypatch.setattr(module.urllib.request, "urlopen", issuer.open)
    return issuer


async def test_it_asks_as_the_client_and_keeps_the_token(issuer):
    provider = module.TokenProvider(SETTINGS)
    assert [await provider.token() for _ in range(3)] == ["token-1"] * 3
    (request,) = issuer.asked
    assert request.full_url == "http://issuer.example/token"
    assert parse_qs(request.data.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["kafka"],
    }
    scheme, _, client = request.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(client)) == ("Basic", b"orgtrail+consumer:s3%3Acret")


async def test_a_token_that_expires_soon_is_renewed(issuer):
    issuer.lives[0] = 20
    provider = module.TokenProvider(SETTINGS)
    assert [await provider.token() for _ in range(3)] == ["token-1", "token-2", "token-3"]


def test_faust_is_given_the_provider():
    made = module.credentials(SETTINGS)
    assert isinstance(made, faust.OAuthCredentials)
    assert isinstance(made.oauth_cb, module.TokenProvider)
    assert "s3:cret" not in repr(made)
