import json

import pytest
from joserfc.jwk import ECKey

from orgtrail_query_service.auth import keys as module
from orgtrail_query_service.auth.keys import KeySource, keys_of_file, public_keys
from orgtrail_query_service.auth.oidc import OidcProvider
from orgtrail_query_service.problems import Problem, issuer_unavailable
from orgtrail_query_service.settings import QuerySettings


def key(kid):
    return ECKey.generate_key("P-256", {"kid": kid}).as_dict(private=False)


OCT = {"kty": "oct", "k": "c2VjcmV0", "kid": "k9"}


class Issuer:
    """Answers with ``document``, or not at all; counts how often it is asked."""

    def __init__(self, monkeypatch, **settings):
        self.document, self.asked, self.seconds = {"keys": [key("k1")]}, [], 1000.0
        monkeypatch.setattr(module, "get_json", self.get)
        settings = {"jwks_url": "https://issuer.example/keys", **settings}
        made = QuerySettings(jwt_issuer="https://issuer.example", secret="s" * 32, **settings)
        self.source = KeySource(made, OidcProvider(made), lambda: self.seconds)

    async def get(self, url):
        self.asked.append(url)
        if self.document is None:
            raise issuer_unavailable()
        return self.document

    async def kids(self, kid):
        return [found.kid for found in (await self.source.keys(kid)).keys]


@pytest.fixture
def issuer(monkeypatch):
    return Issuer(monkeypatch)


@pytest.mark.parametrize(
    "document",
    [None, 5, "keys", [], {}, {"keys": 5}, {"keys": []}, {"keys": [5]}, {"keys": [{"kty": "EC"}]}],
    ids=str,
)
def test_what_is_not_a_key_set_is_a_value_error(document):
    with pytest.raises(ValueError, match="not a JSON Web Key Set"):
        public_keys(document)


@pytest.mark.parametrize(
    "odd",
    [5, None, {}, {"kty": "AKP", "alg": "ML-DSA-44", "kid": "q"}, {"kty": "EC", "kid": "half"},
     {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, {"kty": "RSA", "n": "!", "e": "AQAB"}],
    ids=str,
)  # fmt: skip
def test_an_odd_key_does_not_refuse_the_others(odd):
    found = public_keys({"keys": [odd, key("k1"), odd, key("k2")]})
    assert [known.kid for known in found.keys] == ["k1", "k2"]


def test_a_symmetric_key_is_refused():
    for found in ([OCT], [key("k1"), OCT]):
        with pytest.raises(ValueError, match="symmetric"):
            public_keys({"keys": found})


@pytest.mark.parametrize("content", [b"{", b"\xff", b"", json.dumps({"keys": [OCT]}).encode()])
def test_the_error_about_a_file_names_it(tmp_path, content):
    file = tmp_path / "jwks.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"jwks\.json: "):
        keys_of_file(file)


async def test_a_file_is_read_once_and_the_issuer_is_never_asked(monkeypatch, tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [key("k1")]}))
    issuer = Issuer(monkeypatch, jwks_file=file)
    file.unlink()
    assert await issuer.kids("other") == ["k1"]
    assert issuer.asked == []


async def test_keys_are_kept_for_five_minutes(issuer):
    for seconds, asked in ((0, 1), (299, 1), (2, 2), (100, 2)):
        issuer.seconds += seconds
        assert await issuer.kids("k1") == ["k1"]
        assert len(issuer.asked) == asked


async def test_an_unknown_key_is_asked_for_every_ten_seconds_at_most(issuer):
    await issuer.kids("k1")
    issuer.document = {"keys": [key("k2")]}
    for seconds, expected in ((0, "k1"), (9, "k1"), (1, "k2")):
        issuer.seconds += seconds
        for _ in range(3):
            assert await issuer.kids("k2") == [expected]
    assert len(issuer.asked) == 2


@pytest.mark.parametrize("bad", [None, {"keys": []}, {}, {"keys": [OCT]}], ids=str)
async def test_good_keys_outlive_an_answer_that_is_none(issuer, bad):
    await issuer.kids("k1")
    issuer.document, issuer.seconds = bad, issuer.seconds + 301
    assert await issuer.kids("k1") == ["k1"]
    assert len(issuer.asked) == 2


async def test_without_any_keys_yet_it_is_unavailable_and_tried_again_later(issuer):
    good, issuer.document = issuer.document, None
    for _ in range(2):
        with pytest.raises(Problem) as raised:
            await issuer.source.keys("k1")
        assert raised.value.status == 503
    assert len(issuer.asked) == 1
    issuer.document, issuer.seconds = good, issuer.seconds + 10
    assert await issuer.kids("k1") == ["k1"]


@pytest.mark.parametrize("metadata", [{"jwks_uri": "https://elsewhere.example/k"}, {}], ids=str)
async def test_without_an_address_the_metadata_names_it(monkeypatch, metadata):
    async def answer(_self):
        return metadata

    monkeypatch.setattr(OidcProvider, "metadata", answer)
    issuer = Issuer(monkeypatch, jwks_url=None)
    if metadata:
        assert await issuer.kids("k1") == ["k1"]
    else:
        with pytest.raises(Problem):
            await issuer.source.keys("k1")
    assert issuer.asked == list(metadata.values())
