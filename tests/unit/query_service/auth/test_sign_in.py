import uuid
from datetime import timedelta

import pytest
from tests.support.query_parts import NOW, SETTINGS
from tests.support.sign_in import ISSUER, Browser

from orgtrail.testing import Recorder
from orgtrail_deploy.local.issuer import make_sign_in_code
from orgtrail_query_service.auth.sign_in import sign_in_routes


@pytest.fixture
async def browser(tmp_path):
    with Recorder():
        made = Browser(tmp_path)
        async with made.client:
            yield made


async def test_a_sign_in_ends_where_it_began(browser):
    begun = await browser.get("/sign-in", params={"next": "/orgs/acme/audit-logs?user=bob"})
    assert (begun.status_code, begun.headers["location"]) == (303, f"{ISSUER}/authorize")
    assert not await browser.is_signed_in()
    ended = await browser.back()
    assert (ended.status_code, ended.headers["location"]) == (303, "/orgs/acme/audit-logs?user=bob")
    assert browser.provider.exchanged == [("c1", browser.provider.attempt["verifier"])]
    assert await browser.is_signed_in()


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", ""]
)
async def test_a_sign_in_leads_nowhere_else(browser, address):
    await browser.get("/sign-in", params={"next": address})
    assert (await browser.back()).headers["location"] == "/"


async def test_every_attempt_has_its_own_secrets(browser):
    await browser.get("/sign-in")
    first = browser.provider.attempt
    await browser.get("/sign-in")
    secrets = [*first.values(), *browser.provider.attempt.values()]
    assert len(set(secrets)) == 6
    assert min(map(len, secrets)) >= 43


@pytest.mark.parametrize("changed", [{"code": None}, {"iss": "https://evil.example"}], ids=str)
async def test_a_forged_answer_is_refused_and_ends_the_attempt(browser, changed):
    await browser.get("/sign-in")
    assert (await browser.back(**changed)).status_code == 401
    assert browser.provider.exchanged == []
    assert (await browser.back()).status_code == 401
    assert not await browser.is_signed_in()


@pytest.mark.parametrize("changed", [{"state": "other"}, {"state": None}, {"state": "é"}], ids=str)
async def test_the_answer_to_another_attempt_is_refused_and_ends_none(browser, changed):
    await browser.get("/sign-in")
    assert (await browser.back(**changed)).status_code == 401
    assert browser.provider.exchanged == []
    assert not await browser.is_signed_in()
    assert (await browser.back()).status_code == 303


async def test_a_foreign_link_signs_nobody_out(browser):
    await browser.get("/sign-in")
    await browser.back()
    for query in ("state=guessed&code=stolen", "error=access_denied", ""):
        assert (await browser.get(f"/sign-in/callback?{query}")).status_code == 401
        assert await browser.is_signed_in()


async def test_two_tabs_that_sign_in_at_once_both_arrive(browser):
    attempts = []
    for place in ("/orgs/acme/audit-logs", "/orgs/acme/audit-logs?user=bob"):
        await browser.get("/sign-in", params={"next": place})
        attempts.append((browser.provider.attempt, place))
    for attempt, place in reversed(attempts):
        browser.provider.attempt = attempt
        ended = await browser.back()
        assert (ended.status_code, ended.headers["location"]) == (303, place)


async def test_a_browser_does_not_gather_attempts(browser):
    for _ in range(9):
        await browser.get("/sign-in")
    assert len([name for name in browser.client.cookies if "sign-in" in name]) == 5
    # The newest is among them.
    assert (await browser.back()).status_code == 303


async def test_other_cookies_and_long_ways_back_do_not_stop_a_sign_in(browser):
    for number in range(9):
        browser.client.cookies.set(f"orgtrail-sign-in-({number}", "x")
    begun = await browser.get("/sign-in", params={"next": "/orgs/acme/audit-logs?q=" + "x" * 5000})
    assert begun.status_code == 303
    assert all(len(cookie) < 4096 for cookie in begun.headers.get_list("set-cookie"))
    ended = await browser.back()
    assert (ended.status_code, ended.headers["location"]) == (303, "/")


async def test_another_tab_that_was_slow_does_not_sign_in_again(browser):
    """No answer repeats the session's cookie: one that left before a sign-out would undo it."""
    await browser.get("/sign-in")
    await browser.back()
    answer = await browser.get("/orgs/acme/audit-logs")
    assert answer.status_code == 200
    assert "orgtrail=" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(("count", "status"), [(300, 303), (3000, 403)])
async def test_an_administrator_of_many_organizations_signs_in_or_is_told_why_not(
    browser, count, status
):
    names = [str(uuid.uuid4()) for _ in range(count)]
    browser.provider.claims["org_roles"] = dict.fromkeys(names, "admin")
    await browser.get("/sign-in")
    answer = await browser.back()
    assert answer.status_code == status
    if status == 303:
        assert all(len(cookie) < 4096 for cookie in answer.headers.get_list("set-cookie"))
        assert (await browser.get(f"/v1/orgs/{names[-1]}/events")).status_code == 200
    else:
        assert "more than a browser session can hold" in answer.json()["detail"]


async def test_an_answer_works_once(browser):
    await browser.get("/sign-in")
    assert (await browser.back()).status_code == 303
    assert (await browser.back()).status_code == 401


@pytest.mark.parametrize(("minutes", "status"), [(14, 303), (15, 401)])
async def test_an_attempt_lasts_fifteen_minutes(browser, minutes, status):
    await browser.get("/sign-in")
    browser.now += timedelta(minutes=minutes)
    assert (await browser.back()).status_code == status


@pytest.mark.parametrize(("issuer", "status"), [(None, 401), (ISSUER, 303), ("", 401)])
async def test_an_issuer_that_promises_its_name_must_give_it(browser, issuer, status):
    browser.provider.promises = True
    await browser.get("/sign-in")
    assert (await browser.back(iss=issuer)).status_code == status


@pytest.mark.parametrize("nonce", ["other", None, ""])
async def test_a_token_of_another_attempt_is_refused(browser, nonce):
    await browser.get("/sign-in")
    browser.provider.claims["nonce"] = nonce
    assert (await browser.back()).status_code == 401
    assert not await browser.is_signed_in()


@pytest.mark.parametrize(
    ("info", "organizations"),
    [
        ({"sub": "alice", "org_roles": {"globex": "admin"}}, ("globex",)),
        ({"sub": "mallory", "org_roles": {"globex": "admin"}}, ()),
        ({"org_roles": {"globex": "admin"}}, ()),
        ({}, ()),
    ],
    ids=str,
)
async def test_roles_of_user_info_count_for_the_tokens_subject_alone(browser, info, organizations):
    browser.provider.claims, browser.provider.user_info = {"sub": "alice"}, info
    await browser.get("/sign-in")
    await browser.back()
    answer = await browser.get("/v1/orgs/globex/events")
    assert answer.status_code == (200 if organizations else 404)


async def test_user_info_does_not_override_the_token(browser):
    browser.provider.user_info = {"sub": "alice", "org_roles": {"globex": "admin"}}
    await browser.get("/sign-in")
    await browser.back()
    assert (await browser.get("/v1/orgs/acme/events")).status_code == 200
    assert (await browser.get("/v1/orgs/globex/events")).status_code == 404


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 303),
        ("::1", {}, 303),
        ("203.0.113.7", {}, 404),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 404),
    ],
    ids=str,
)
async def test_a_link_is_for_this_machine_and_works_once(browser, tmp_path, host, headers, status):
    code, browser.host = make_sign_in_code(tmp_path, ["acme"], NOW), host
    assert (await browser.get(f"/sign-in/{code}", headers=headers)).status_code == status
    assert await browser.is_signed_in() == (status == 303)
    browser.host = "127.0.0.1"
    assert (await browser.get(f"/sign-in/{code}")).status_code == (401 if status == 303 else 303)


async def test_signing_out_needs_the_forms_token(browser, tmp_path):
    await browser.get(f"/sign-in/{make_sign_in_code(tmp_path, ['acme'], NOW)}")
    assert (await browser.client.post("/sign-out")).status_code == 403
    assert await browser.is_signed_in()
    (form,) = [v for k, v in browser.client.cookies.items() if k.startswith("orgtrail-csrf-")]
    token = {"x-csrftoken": form}
    assert (await browser.client.post("/sign-out", headers=token)).status_code == 200
    assert not await browser.is_signed_in()


def test_without_settings_there_is_nothing_to_sign_in_with():
    assert [path for route in sign_in_routes(SETTINGS) for path in route.paths] == ["/sign-out"]
