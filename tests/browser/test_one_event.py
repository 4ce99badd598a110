"""One event: beside the table and at its own address."""

import json
import re

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import drag

NAME = "Organization - User Role Updated"


def check(root, events):
    """The two parts of the reference, and nothing of a secret."""
    happened = root.get_by_role("region", name="What happened")
    for value in (
        events,
        "Alice Moreau",
        "alice@page.example",
        "80.67.169.12",
        "curl/8.5.0",
        "req-1",
    ):
        expect(happened).to_contain_text(value)
    affected = root.get_by_role("region", name="Who was affected")
    for value in ("Bob Okafor", "bob@page.example", "u-2", "role", "member", "admin"):
        expect(affected).to_contain_text(value)
    expect(affected.get_by_text("redacted", exact=True)).to_have_count(2)
    expect(root.get_by_role("note")).to_contain_text(
        "sam@support.example was at the keyboard, acting as Alice Moreau"
    )
    expect(root).to_contain_text(re.compile(r"partition \d+, offset \d+"))
    expect(root).to_contain_text("kept until")
    expect(root).to_contain_text("Complete for everything received before")
    assert "hunter" not in root.page.content()


def test_it_opens_beside_the_table_and_closes(page, log, events):
    page.goto(f"{log}?level=organization")
    link = page.get_by_role("link", name=NAME, exact=True)
    link.click()
    panel = page.get_by_role("complementary", name="The chosen event")
    check(panel, events)
    expect(page).to_have_url(
        re.compile(f"^{re.escape(log)}/{events}.occurred_at=.*&level=organization$")
    )
    expect(page.locator("tr.current")).to_have_count(1)
    expect(panel).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page).to_have_url(f"{log}?level=organization")
    expect(link).to_be_focused()
    page.go_forward()
    check(panel, events)
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()


def test_back_after_a_reload_and_from_elsewhere(page, log, events):
    page.goto(f"{log}?level=organization")
    page.get_by_role("link", name=NAME, exact=True).click()
    expect(page.locator("#panel #event")).to_be_visible()
    page.reload()
    expect(page.locator("main > #event")).to_be_visible()
    page.go_back()
    expect(page.locator("table.events")).to_be_visible()
    page.get_by_role("link", name=NAME, exact=True).click()
    page.get_by_role("link", name="Same IP address").click()
    expect(page.locator("tr[data-id]")).to_have_count(50)
    page.go_back()
    expect(page.get_by_role("region", name="What happened")).to_be_visible()
    page.go_back()
    expect(page.locator("table.events")).to_be_visible()
    expect(page).to_have_url(f"{log}?level=organization")


def test_zooming_with_an_event_open_leads_to_the_table(page, log, events):
    page.goto(log)
    svg = page.locator("#histogram svg")
    expect(svg).to_be_visible()
    page.get_by_role("link", name=NAME, exact=True).click()
    expect(page.locator("#panel #event")).to_be_visible()
    svg.scroll_into_view_if_needed()
    drag(page, svg, 0.5)
    expect(page).to_have_url(re.compile(r"/audit-logs\?.*from="))
    expect(page.locator("table.events")).to_be_visible()


def test_on_a_narrow_screen_nothing_behind_the_event_is_reached(open_page, log, events):
    page = open_page(viewport={"width": 600, "height": 860})
    page.goto(log)
    page.get_by_role("link", name=NAME, exact=True).click()
    expect(page.locator("#panel #event")).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('#panel')"
        )
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name=NAME, exact=True)).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False])
def test_it_has_its_own_address_and_leads_back(open_page, log, events, scripts):
    page = open_page(java_script_enabled=scripts)
    page.goto(f"{log}/{events}?user=bob@page.example")
    expect(page).to_have_title(f"{NAME} · Orgtrail")
    check(page.get_by_role("main"), events)
    page.get_by_role("link", name="All events").click()
    expect(page).to_have_url(re.compile("user=bob"))
    expect(page.locator("tr[data-id]")).to_have_count(1)


@pytest.mark.parametrize(
    ("link", "parameter", "count"),
    [
        ("Everything by or on them", "user=u-1", 50),
        ("Everything on this target", "target=u-2", 1),
        ("Same request", "request_id=req-1", 50),
        ("Same session", "session_id=ses-1", 50),
        ("Same IP address", "ip=80.67", 50),
        ("All of this type", "event=org.user.role.updated", 1),
        ("All impersonated actions", "impersonator=s-1", 1),
    ],
)
def test_one_click_filters(page, log, events, link, parameter, count):
    page.goto(f"{log}/{events}")
    page.get_by_role("link", name=link).first.click()
    expect(page).to_have_url(re.compile(re.escape(parameter)))
    expect(page.locator("tr[data-id]")).to_have_count(count)


def test_copy_as_json_and_copy_link(open_page, log, events):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{log}/{events}")
    page.get_by_role("button", name="Copy as JSON").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["event_id"] == events
    assert copied["changes"][1] == {"field": "password", "old": "[redacted]", "new": "[redacted]"}
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert page.evaluate("navigator.clipboard.readText()").startswith(
        f"{log}/{events}?occurred_at="
    )
