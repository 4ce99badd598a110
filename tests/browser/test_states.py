"""Empty, nothing found, still arriving, set aside, away, expired, not yours."""

import re
import signal
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import expect
from tests.support.events import datum
from tests.support.proxy import Proxy
from tests.support.running import eventually
from tests.support.service import own_service

from orgtrail import Actor
from orgtrail_deploy.local.issuer import make_sign_in_code
from orgtrail_deploy.local.ports import free_ports


def test_an_empty_organization_is_told_how_to_begin(open_page, running):
    page = open_page("void")
    # Only reading left something there.
    page.goto(f"{running.stack.page}/orgs/void/audit-logs?from=2026-01-01&to=2026-01-02")
    page.goto(f"{running.stack.page}/orgs/void/audit-logs?user=nobody")
    expect(page.get_by_role("heading", name="No events yet")).to_be_visible()
    expect(page.get_by_text("orgtrail emit user.login --org void")).to_be_visible()


def test_nothing_found_says_which_filter_to_relax(page, log):
    page.goto(f"{log}?user=bob@page.example&outcome=denied&event=org.user.role.updated")
    expect(page.get_by_role("heading", name="No matching events")).to_be_visible()
    suggested = page.locator(".empty a")
    expect(suggested).to_have_text(["without Outcome denied"])
    suggested.click()
    expect(page.locator("tr[data-id]")).to_have_count(1)
    page.goto(f"{log}?user=bob@page.example&from=2020-01-01&to=2020-01-02")
    page.get_by_role("link", name="in the last 90 days").click()
    expect(page.locator("tr[data-id]")).to_have_count(1)
    page.goto(f"{log}?user=x&ip=192.0.2.9&country=ZZ")
    expect(page.get_by_text("Removing any one filter does not help either")).to_be_visible()


def test_records_that_were_set_aside_are_counted(running, open_page):
    with running.producer() as producer:
        producer.emit("user.login", org_id="aside", actor=Actor(id="a"))
    whole = datum(org_id="aside")
    running.raw.send(whole[:-3], b"aside")
    running.wait_for("aside", 1)
    eventually(lambda: running.get("/v1/orgs/aside/events", org="aside").json()["set_aside"])
    page = open_page("aside")
    expect(page.locator(".note.attention")).to_contain_text(
        "1 record received since the first of these days that could not be stored"
    )


def test_still_arriving(running, page):
    """While no consumer has reported on every partition."""
    consumer = running.stack.consumer
    consumer.signal(signal.SIGSTOP)
    try:

        def still_arriving():
            # Again each time: what the consumer had just sent may be stored after it was stopped.
            running.client("audit_migrator").command(
                "ALTER TABLE audit.ingest_progress DELETE WHERE true SETTINGS mutations_sync = 1"
            )
            # The service asks once a second.
            page.reload()
            return page.locator(".note.attention").filter(has_text="Still arriving").count()

        eventually(still_arriving, 5)
    finally:
        consumer.signal(signal.SIGCONT)

    def settled():
        page.reload()
        return page.get_by_text("Complete for everything received before").count()

    eventually(settled)


def test_clickhouse_is_away_and_comes_back(running, browser, tmp_path):
    servers = running.stack.servers
    proxy = Proxy(free_ports(1)[0], servers.clickhouse_port)
    try:
        with own_service(running, tmp_path, clickhouse_port=str(proxy.port)) as service:
            code = make_sign_in_code(running.stack.root, ["page"], datetime.now(UTC))
            context = browser.new_context()
            page = context.new_page()
            page.goto(f"{service.url}/sign-in/{code}")
            proxy.cut()
            page.goto(f"{service.url}/orgs/page/audit-logs?user=bob@page.example")
            expect(page.get_by_role("heading", level=1)).to_have_text(
                "The audit log is unavailable"
            )
            expect(page.get_by_text("No events are lost")).to_be_visible()
            proxy.mend()
            eventually(lambda: httpx.get(f"{service.url}/readyz").status_code == 200)
            page.get_by_role("link", name="Try again").click()
            expect(page.locator("tr[data-id]")).to_have_count(1)
            assert "user=bob" in page.url
            context.close()
    finally:
        proxy.close()


def test_a_session_that_ended_is_said_where_the_page_asks_by_itself(open_page, log):
    page = open_page(expected=("401",))
    expect(page.locator("#histogram")).to_be_visible()
    page.context.clear_cookies()
    page.get_by_role("link", name="Organization - User Role Updated", exact=True).click()
    panel = page.get_by_role("complementary", name="The chosen event")
    expect(panel).to_contain_text("Your session has ended")


@pytest.mark.parametrize("org", ["acme", "no-such-organization"])
def test_not_found_or_not_yours_lists_those_that_are(open_page, running, org):
    page = open_page("page", "zones", expected=("404",))
    answer = page.goto(f"{running.stack.page}/orgs/{org}/audit-logs")
    assert answer.status == 404
    expect(page.get_by_text("or you may not read its organization's log")).to_be_visible()
    expect(page.locator(".orgs a")).to_have_text(["page", "zones"])
    page.get_by_role("link", name="zones").click()
    expect(page).to_have_url(re.compile("/orgs/zones/audit-logs"))


def test_without_a_session_nothing_is_shown(running, events):
    answer = running.get("/orgs/page/audit-logs", token="")
    assert answer.status_code == 401
    assert "alice" not in answer.text


def test_a_parameter_that_cannot_be_used_is_named(open_page, log):
    page = open_page(expected=("400",))
    page.goto(f"{log}?from=yesterday")
    expect(page.get_by_text("from: must be a day or a minute")).to_be_visible()
    page.get_by_role("link", name="Start over").click()
    expect(page.locator("tr[data-id]")).to_have_count(50)


def test_the_session_cookie_says_nothing_and_is_not_for_scripts(page):
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    (form,) = set(cookies) - {"orgtrail"}
    assert form.startswith("orgtrail-csrf-")
    for cookie in cookies.values():
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        assert "page" not in cookie["value"]
