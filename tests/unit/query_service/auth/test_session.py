import base64
import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from litestar import Litestar, Request, get
from litestar.testing import AsyncTestClient
from msgspec.structs import replace
from tests.support.query_parts import NOW, SETTINGS

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.auth.session import (
    begin_session,
    csrf_config,
    session_administrator,
    session_config,
)
from orgtrail_schemas.settings import Secret

ALICE = Administrator("alice", ("acme", "globex"), email="alice@x.org", name="Alice")
INSECURE = replace(SETTINGS, secure_cookies=False)


class Connection(SimpleNamespace):
    """A request whose session is a plain value."""

    def set_session(self, value):
        self.session = value

    def clear_session(self):
        self.session = None


def signed_in(hours=8):
    connection = Connection(session=None)
    begin_session(connection, ALICE, NOW, hours)
    return connection


def test_whoever_signed_in_is_found_again_whole():
    assert session_administrator(signed_in(), NOW) == ALICE


@pytest.mark.parametrize("hours", [1, 8])
def test_a_session_ends_after_its_hours_however_much_it_is_used(hours):
    connection, end = signed_in(hours), NOW + timedelta(hours=hours)
    for moment in (NOW, NOW + timedelta(minutes=59), end - timedelta(seconds=1)):
        assert session_administrator(connection, moment) == ALICE
    assert session_administrator(connection, end) is None
    assert connection.session is None


@pytest.mark.parametrize("stored", [None, {}, {"sign_in": {"state": "s"}}], ids=str)
def test_a_session_without_a_sign_in_is_nobody(stored):
    connection = Connection(session=stored)
    assert session_administrator(connection, NOW) is None
    assert connection.session == stored


@pytest.mark.parametrize(
    ("settings", "name"), [(SETTINGS, "__Host-orgtrail"), (INSECURE, "orgtrail")]
)
def test_cookies_are_for_this_host_and_no_script(settings, name):
    session, csrf = session_config(settings), csrf_config(settings)
    assert session.key == name
    assert re.fullmatch(f"{name}-csrf-[0-9a-f]{{8}}", csrf.cookie_name)
    assert session.secure == csrf.cookie_secure == settings.secure_cookies
    assert session.httponly
    assert csrf.cookie_httponly
    assert (session.samesite, csrf.cookie_samesite) == ("lax", "lax")
    assert (session.domain, session.path) == (None, "/")


def test_the_cookie_outlives_no_session():
    assert session_config(replace(SETTINGS, session_hours=3)).max_age == 3 * 3600


def test_the_keys_of_cookies_and_forms_differ_and_follow_the_secret():
    other = replace(SETTINGS, secret=Secret("t" * 32))
    keys = [session_config(SETTINGS).secret.hex(), session_config(other).secret.hex()]
    keys += [csrf_config(SETTINGS).secret, csrf_config(other).secret]
    assert len(set(keys)) == 4
    assert "s" * 32 not in keys


@get("/who")
async def who(request: Request) -> str:
    found = session_administrator(request, NOW)
    return found.subject if found else "nobody"


@get("/begin")
async def begin(request: Request) -> None:
    begin_session(request, ALICE, NOW, 8)


async def ask(settings, cookie):
    app = Litestar([who, begin], middleware=[session_config(settings).middleware])
    async with AsyncTestClient(app) as client:
        if cookie is None:
            await client.get("/begin")
            return client.cookies["orgtrail"]
        return (await client.get("/who", headers={"Cookie": f"orgtrail={cookie}"})).text


async def test_the_cookie_says_nothing_and_works_with_its_secret_alone():
    cookie = await ask(INSECURE, None)
    assert "alice" not in cookie
    assert await ask(INSECURE, cookie) == "alice"
    assert await ask(replace(INSECURE, secret=Secret("t" * 32)), cookie) == "nobody"


async def test_a_changed_cookie_is_nobody():
    cookie = await ask(INSECURE, None)
    middle = len(cookie) // 2
    changed = cookie[:middle] + ("A" if cookie[middle] != "A" else "B") + cookie[middle + 1 :]
    for bad in (changed, cookie[:middle], "AAAA", "x"):
        assert await ask(INSECURE, bad) == "nobody"


def test_a_form_of_an_earlier_secret_does_not_stay():
    """Litestar keeps a cookie that it cannot verify, and refuses each form."""
    other = replace(SETTINGS, secret=Secret("t" * 32))
    assert csrf_config(SETTINGS).cookie_name != csrf_config(other).cookie_name


@pytest.mark.parametrize("data", [b"x", b"{}", b'{"expires_at":"x"}', b"[", b""])
@pytest.mark.parametrize("nonce", [b"n" * 12, b""])
async def test_a_cookie_of_any_form_is_no_session(data, nonce):
    forged = base64.b64encode(nonce + b"additional_authenticated_data=" + data).decode()
    middleware = [session_config(INSECURE).middleware]
    async with AsyncTestClient(Litestar([who], middleware=middleware)) as client:
        client.cookies.set("orgtrail", forged)
        answer = await client.get("/who")
        assert (answer.status_code, answer.text) == (200, "nobody")
