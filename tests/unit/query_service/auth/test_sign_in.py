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


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "other"},
        {"state": None},
        {"state": "é"},
        {"code": None},
        {"iss": "https://evil.example"},
    ],
    ids=str,
)
async def test_a_forged_answer_is_refused_and_ends_the_attempt(browser, changed):
    await browser.get("/sign-in")
    assert (await browser.back(**changed)).status_code == 401
    assert browser.provider.exchanged == []
    assert (await browser.back()).status_code == 401
    assert not await browser.is_signed_in()


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
    token = {"x-csrftoken": browser.client.cookies["orgtrail-csrf"]}
    assert (await browser.client.post("/sign-out", headers=token)).status_code == 200
    assert not await browser.is_signed_in()


def test_without_settings_there_is_nothing_to_sign_in_with():
    assert [path for route in sign_in_routes(SETTINGS) for path in route.paths] == ["/sign-out"]
