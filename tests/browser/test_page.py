"""The page in a real browser: filter, open an event, download the CSV."""

import csv
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright
from tests.support.chromium import launch

from orgtrail import Actor, Change, Context, Target

SHOTS = os.environ.get("ORGTRAIL_SHOTS")
HOSTILE = "<script>document.title='owned'</script>\u202e<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def events(running):
    now = datetime.now(UTC)
    alice = Actor(id="u-1", email="alice@page.example", name="Alice Moreau")
    bob = Target(type="user", id="u-2", email="bob@page.example", name="Bob Okafor")
    where = Context(ip="80.67.169.12", user_agent="curl/8.5.0", request_id="req-1")
    with running.producer() as producer:
        for minutes in range(60):
            producer.emit(
                "user.login",
                org_id="page",
                actor=alice,
                context=where,
                occurred_at=now - timedelta(minutes=5 + minutes),
            )
        role = producer.emit(
            "org.user.role.updated",
            org_id="page",
            actor=alice,
            impersonator=Actor(type="support", id="s-1", email="sam@support.example"),
            targets=[bob],
            changes=[
                Change(field="role", old="member", new="admin"),
                Change(field="password", old="hunter2", new="hunter3"),
            ],
            context=where,
        )
        producer.emit(
            "shop.order.paid",
            org_id="page",
            actor=Actor(id=HOSTILE, email=HOSTILE, name=HOSTILE),
            targets=[Target(type=HOSTILE, name=HOSTILE)],
            context=Context(user_agent=HOSTILE, request_id=HOSTILE),
            outcome="denied",
        )
    running.wait_for("page", 62)
    return role


@pytest.fixture
def page(running, events):
    with sync_playwright() as playwright:
        browser = launch(playwright)
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        context.set_default_timeout(15_000)
        opened = context.new_page()
        problems = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        opened.on("dialog", lambda dialog: problems.append(dialog.message))
        opened.goto(running.sign_in_link("page"))
        yield opened
        assert problems == []
        browser.close()


def rows(page):
    return page.locator("tbody tr:not(.day)")


def test_an_admin_filters_opens_an_event_and_downloads_the_csv(page, events, tmp_path):
    expect(page).to_have_url(re.compile("/orgs/page/audit-logs$"))
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    # The sixty, the two, and that of this page being viewed.
    expect(rows(page)).to_have_count(13)
    page.get_by_role("link", name="Newest").click()

    page.get_by_label("User", exact=True).fill("bob@page.example")
    page.get_by_role("button", name="Apply").click()
    expect(rows(page)).to_have_count(1)
    assert "user=bob%40page.example" in page.url
    page.reload()
    expect(rows(page)).to_have_count(1)

    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    file = tmp_path / "export.csv"
    download.value.save_as(file)
    assert download.value.suggested_filename.startswith("audit-log-page-")
    with file.open(newline="", encoding="utf-8") as text:
        (exported,) = csv.DictReader(text)
    assert exported["event_id"] == events
    assert exported["changed_field"] == "role\npassword"

    page.get_by_role("link", name="Organization - User Role Updated").click()
    assert page.url.endswith(events)
    happened = page.get_by_role("region", name="What happened")
    for value in (events, "alice@page.example", "sam@support.example", "80.67.169.12", "curl"):
        expect(happened).to_contain_text(value)
    affected = page.get_by_role("region", name="Who was affected")
    for value in ("bob@page.example", "member", "admin", "redacted"):
        expect(affected).to_contain_text(value)
    assert "hunter" not in page.content()


def test_filters_by_event_and_level(page):
    page.get_by_label("Event", exact=True).select_option("org.user.role.updated")
    page.get_by_role("button", name="Apply").click()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    page.get_by_label("Level").select_option("organization")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("link", name="Audit Log Viewed")).to_have_count(1)
    expect(page.get_by_role("link", name="User Role Updated")).to_have_count(1)


def test_what_an_event_says_is_never_obeyed(page):
    page.get_by_label("Outcome").select_option("denied")
    page.get_by_role("button", name="Apply").click()
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("<script>document.title='owned'</script>\\u202e")
    page.get_by_role("link", name="shop.order.paid").click()
    expect(page).to_have_title("shop.order.paid · Orgtrail")


def test_days_without_events_say_what_to_do(page):
    yesterday = (datetime.now(UTC) - timedelta(days=30)).date().isoformat()
    page.get_by_label("From", exact=True).fill(yesterday)
    page.get_by_label("To", exact=True).fill(yesterday)
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("There are no events on these days")).to_be_visible()
    page.get_by_label("User", exact=True).fill("nobody@x")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No event matches")).to_be_visible()


def test_another_organisation_is_not_found(page, running):
    answer = page.request.get(
        f"{running.stack.page}/orgs/acme/audit-logs", headers={"Accept": "text/html"}
    )
    assert answer.status == 404
    assert "not yours to administer" in answer.text()


def test_without_a_session_nothing_is_shown(running, events):
    answer = running.get("/orgs/page/audit-logs", token="")
    assert answer.status_code == 401
    assert "alice" not in answer.text


def test_the_session_cookie_says_nothing_and_is_not_for_scripts(page):
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert set(cookies) == {"orgtrail", "orgtrail-csrf"}
    for cookie in cookies.values():
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        assert "page" not in cookie["value"]


@pytest.mark.parametrize("width", [320, 1280, 1920])
def test_it_fits_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 860})
    page.reload()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"table-{width}.png")
