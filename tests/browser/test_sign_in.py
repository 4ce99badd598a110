"""Signing in by OpenID Connect, in a real browser at a real provider (Canaille)."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect
from tests.browser.provider import ORG, forget_sign_ins, sign_in, signing_in
from tests.support.running import eventually

LOG = f"/orgs/{ORG}/audit-logs"


@pytest.fixture(scope="module")
def service(running, iam_server, tmp_path_factory):
    with signing_in(running, iam_server, tmp_path_factory.mktemp("sign-in")) as made:
        yield made


@pytest.fixture
def page(service, iam_server, browser):
    forget_sign_ins(iam_server)
    context = browser.new_context()
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def cookies(page):
    return {cookie["name"]: cookie for cookie in page.context.cookies(page.url)}


def test_an_admin_signs_in_lands_where_they_were_going_and_signs_out(page, service, people):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{service.url}{LOG}?event=user.login&from=2026-01-01")
    sign_in(page, people["admin"])
    expect(page).to_have_url(re.compile(re.escape(f"{LOG}?event=user.login&from=2026-01-01")))
    expect(page.locator("tr[data-id]")).to_have_count(1)

    (at_provider,) = [url for url in asked if "/oauth/authorize?" in url][:1]
    query = parse_qs(urlsplit(at_provider).query)
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert all(len(query[name][0]) >= 32 for name in ("state", "nonce", "code_challenge"))

    session = cookies(page)["__Host-orgtrail"]
    assert (session["secure"], session["httpOnly"], session["sameSite"]) == (True, True, "Lax")
    assert session["path"] == "/"

    # What the provider sent the browser back with is good for once.
    (back,) = [url for url in asked if "/sign-in/callback?" in url]
    assert page.goto(back).status == 401

    page.goto(f"{service.url}{LOG}")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("signed out")).to_be_visible()
    eventually(lambda: "__Host-orgtrail" not in cookies(page))
    answer = page.request.get(
        f"{service.url}{LOG}", headers={"Accept": "text/html"}, max_redirects=0
    )
    assert answer.status == 401
    assert answer.headers["refresh"].startswith("0; url=/sign-in?next=%2Forgs%2F")


def test_a_member_finds_nothing(page, service, people):
    page.goto(f"{service.url}{LOG}")
    sign_in(page, people["member"])
    expect(page.get_by_text("or you may not read its organization's log")).to_be_visible()
    page.goto(f"{service.url}/")
    expect(page.get_by_text("ada-member@sso.example")).to_have_count(0)
    assert page.request.get(f"{service.url}/v1/orgs/{ORG}/events").status == 404


def test_an_answer_that_was_not_asked_for_signs_nobody_in(page, service):
    """Login CSRF: an attacker's code, put into the victim's browser."""
    for query in ("code=stolen&state=guessed", "state=guessed", "error=access_denied&state=x", ""):
        assert page.goto(f"{service.url}/sign-in/callback?{query}").status == 401
    eventually(lambda: "__Host-orgtrail" not in cookies(page))


def test_an_answer_of_another_provider_is_refused(page, service, people):
    """Mix-up: state and code are right, and the issuer is another (RFC 9207)."""

    page.goto(f"{service.url}{LOG}")
    sign_in(page, people["admin"])
    page.get_by_role("button", name="Sign out").click()
    # Known to the provider, which sends the browser straight back.
    address = f"{service.url}/sign-in"
    for _ in range(2):
        address = page.request.get(address, max_redirects=0).headers["location"]
    changed = re.sub(r"([?&]iss=)[^&]*", r"\1https%3A%2F%2Fevil.example", address)
    assert changed != address
    page.goto(changed)
    expect(page.get_by_text("from another identity provider")).to_be_visible()


def test_nobody_is_sent_elsewhere_after_signing_in(page, service, people):
    page.goto(f"{service.url}/sign-in?next=//evil.example/")
    sign_in(page, people["admin"])
    expect(page).to_have_url(f"{service.url}{LOG}")


def test_a_session_that_ends_leads_back_to_what_was_asked(page, service, people):
    page.goto(f"{service.url}{LOG}?tz=UTC")
    sign_in(page, people["admin"])
    expect(page.locator("#histogram")).to_be_visible()
    page.context.clear_cookies(name="__Host-orgtrail")
    # What the page asks by itself says so ...
    page.locator("a.open").first.click()
    panel = page.get_by_role("complementary", name="The chosen event")
    expect(panel).to_contain_text("Your session has ended")
    panel.get_by_role("button", name="Close").click()
    # ... and a form goes by way of the provider, which knows them still.
    page.get_by_label("Text", exact=True).fill("login")
    page.locator("form.filters > .actions button").click()
    expect(page).to_have_url(re.compile(re.escape(f"{LOG}?") + ".*q=login"))
    expect(page.locator("tr[data-id]")).to_have_count(1)


def test_refusing_at_the_provider_is_said(page, service, people):
    page.goto(f"{service.url}{LOG}")
    sign_in(page, people["refuser"], answer="deny")
    expect(page.get_by_text("did not sign you in")).to_be_visible()
