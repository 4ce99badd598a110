from datetime import timedelta
from types import SimpleNamespace

import pytest
from litestar.datastructures import Headers
from tests.support.query_parts import NOW, FakeDatabase, fake_parts

from orgtrail_query_service.auth.authentication import Authentication

LATER = (NOW + timedelta(hours=1)).isoformat()
SESSION = {
    "administrator": {"subject": "bob", "organizations": ["globex"]},
    "expires_at": LATER,
}


async def authenticate(authorization=None, session=None):
    headers = {} if authorization is None else {"authorization": authorization}
    connection = SimpleNamespace(
        headers=Headers(headers),
        session=session,
        app=SimpleNamespace(state=SimpleNamespace(parts=fake_parts(FakeDatabase()))),
    )
    return await Authentication(app=None).authenticate_request(connection)


@pytest.mark.parametrize("header", ["Bearer acme", "bearer acme", "BEARER   acme  "])
async def test_a_bearer_token_is_verified(header):
    found = await authenticate(header)
    assert (found.user.subject, found.user.organizations) == ("alice", ("acme",))
    assert found.auth is None


@pytest.mark.parametrize("header", ["Basic acme", "acme", "Bearer", "Bearer ", "", "Bearer\tacme"])
async def test_another_scheme_or_no_token_is_nobody(header):
    found = await authenticate(header)
    assert found.user is None
    assert (found.auth.status, found.auth.kind) == (401, "unauthenticated")


async def test_a_session_does_not_replace_a_token_that_is_refused():
    assert (await authenticate("Bearer ", SESSION)).user is None


@pytest.mark.parametrize("header", ["Basic YQ==", "Negotiate x", "Digest"])
async def test_another_scheme_beside_a_session_is_ignored(header):
    """A browser behind a proxy with a password of its own sends that with each request."""
    assert (await authenticate(header, SESSION)).user is not None


async def test_a_token_goes_before_the_session():
    assert (await authenticate("Bearer acme", SESSION)).user.subject == "alice"


async def test_without_a_header_the_session_decides():
    found = await authenticate(session=SESSION)
    assert (found.user.subject, found.user.organizations) == ("bob", ("globex",))


@pytest.mark.parametrize("session", [None, {}, {"sign_in": {"state": "s"}}], ids=str)
async def test_a_session_of_nobody_is_asked_to_sign_in(session):
    found = await authenticate(session=session)
    assert found.user is None
    assert "sign in" in found.auth.detail
