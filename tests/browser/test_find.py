"""Finding: filters, days, completion, chips, addresses; with scripts and without."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from orgtrail import Actor


def rows(page):
    return page.locator("tbody tr[data-id]")


def apply(page):
    page.locator("form.filters > .actions button").click()


def query(page):
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.parametrize("scripts", [True, False])
def test_by_user_and_back(open_page, log, scripts):
    page = open_page(java_script_enabled=scripts)
    expect(page).to_have_url(log)
    expect(rows(page)).to_have_count(50)
    page.get_by_label("User", exact=True).fill("bob@page.example")
    apply(page)
    expect(rows(page)).to_have_count(1)
    assert query(page)["user"] == ["bob@page.example"]
    page.reload()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="User bob@page.example").click()
    expect(rows(page)).to_have_count(50)


@pytest.mark.parametrize("scripts", [True, False])
def test_by_event_type(open_page, scripts):
    page = open_page(java_script_enabled=scripts)
    page.locator(".picker > summary").click()
    if scripts:
        expect(page.locator("[data-event='user.login']")).to_have_text("60")
        page.get_by_label("Find an event type").fill("role upd")
        expect(page.locator(".choices label:visible")).to_have_count(1)
    page.get_by_label("Organization - User Role Updated").check()
    if scripts:
        page.get_by_label("Find an event type").fill("")
        expect(page.locator(".picked")).to_have_text("1 chosen")
    page.locator(".choices").get_by_role("button", name="Apply").click()
    expect(rows(page)).to_have_count(1)
    expect(page.locator(".picked")).to_have_text("1 chosen")
    expect(page.get_by_role("link", name="Event Organization - User Role Updated")).to_be_visible()


def test_by_level(page, log):
    # Views are of this level as well: one for each hour in which the tests run.
    page.goto(f"{log}?exclude_event=org.audit-log.*")
    page.get_by_label("Level").select_option("organization")
    apply(page)
    expect(page.get_by_role("link", name="User Role Updated")).to_have_count(1)
    expect(rows(page)).to_have_count(1)


@pytest.mark.parametrize(
    ("label", "value", "count"),
    [
        ("Actor", "alice@page.example", 50),
        ("Impersonator", "sam@support.example", 1),
        ("Target", "u-2", 1),
        ("IP address", "80.67.169.12", 50),
        ("Country", "FR", 50),
        ("Request", "req-1", 50),
        ("Session", "ses-1", 50),
    ],
)
def test_by_the_other_filters(page, label, value, count):
    page.locator(".more > summary").click()
    page.get_by_label(label, exact=True).fill(value)
    apply(page)
    expect(rows(page)).to_have_count(count)
    # It stays where it can be seen.
    expect(page.get_by_label(label, exact=True)).to_have_value(value)
    expect(page.get_by_label(label, exact=True)).to_be_visible()


def test_by_text_and_outcome_together(page):
    page.get_by_label("Text", exact=True).fill("shop.order")
    page.locator(".more > summary").click()
    page.get_by_label("Outcome").select_option("denied")
    apply(page)
    expect(rows(page)).to_have_count(1)
    expect(page.locator(".chips li")).to_have_count(3)
    page.get_by_role("link", name="Clear all").click()
    expect(rows(page)).to_have_count(50)


def test_completion_over_everyone_who_acted_or_was_acted_upon(page):
    user = page.get_by_label("User", exact=True)
    user.press_sequentially("bob")
    expect(page.locator("#people option[value='bob@page.example']")).to_have_count(1)
    expect(page.locator("#people option[value='bob@page.example']")).to_contain_text("Bob Okafor")
    user.fill("")
    user.press_sequentially("alice")
    expect(page.locator("#people option[value='alice@page.example']")).to_have_count(1)


def test_presets_and_chosen_days(page, log, now):
    for name, key in (("24 hours", "24h"), ("30 days", "30d"), ("90 days", "90d")):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page).to_have_url(f"{log}?last={key}")
        expect(page.locator(".presets [aria-current]")).to_have_text(name)
    day = (now - timedelta(days=3)).date().isoformat()
    page.get_by_label("From", exact=True).fill(day)
    page.get_by_label("To", exact=True).fill(day)
    apply(page)
    expect(page.locator(".presets [aria-current]")).to_have_count(0)
    expect(page.locator(".range")).to_contain_text(f"{day} to {day}, UTC")
    expect(rows(page)).to_have_count(0)


def test_a_copied_link_shows_a_colleague_elsewhere_the_same(open_page, log, now):
    page = open_page(timezone_id="Asia/Tokyo", permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{log}?last=7d&user=bob@page.example")
    expect(page).to_have_url(re.compile("tz=Asia%2FTokyo"))
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    said = parse_qs(urlsplit(copied).query)
    assert set(said) == {"from", "to", "tz", "user"}
    colleague = open_page(timezone_id="America/New_York")
    colleague.goto(copied)
    expect(colleague.locator(".range")).to_contain_text(
        f"{said['from'][0]} to {said['to'][0]}, Asia/Tokyo"
    )
    expect(rows(colleague)).to_have_count(1)
    assert query(colleague)["tz"] == ["Asia/Tokyo"]


def test_days_are_those_of_the_zone_and_the_end_day_is_included(running, page, log, now):
    """An hour before midnight in Kiritimati, fourteen hours ahead of UTC."""
    midnight = (now - timedelta(days=9)).replace(hour=10, minute=0, second=0, microsecond=0)
    with running.producer() as producer:
        for minutes in (-30, 30):
            producer.emit(
                "user.login",
                org_id="zones",
                actor=Actor(id="z"),
                occurred_at=midnight + timedelta(minutes=minutes),
            )
    running.wait_for("zones", 2)
    page.goto(running.sign_in_link("zones"))
    day = midnight.date().isoformat()
    zones = f"{running.stack.page}/orgs/zones/audit-logs?from={day}&to={day}"
    page.goto(f"{zones}&tz=Pacific/Kiritimati")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("tr.day")).to_have_count(1)
    page.goto(f"{zones}&tz=UTC")
    expect(rows(page)).to_have_count(2)


def test_day_90_and_what_lies_before_it(page, log, now):
    page.goto(f"{log}?last=90d")
    expect(page.get_by_text("earlier days are not shown")).to_have_count(0)
    first = (now - timedelta(days=120)).date().isoformat()
    page.goto(f"{log}?from={first}&tz=UTC")
    expect(page.get_by_text("earlier days are not shown")).to_be_visible()
    expect(rows(page)).to_have_count(50)


def test_without_scripts_days_are_utc(open_page, log):
    page = open_page(java_script_enabled=False, timezone_id="Asia/Tokyo")
    page.goto(log)
    expect(page.locator(".range")).to_contain_text("UTC")
    page.get_by_role("link", name="Counts over time, by event and by actor").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("events")
    page.get_by_text("Show as a table").click()
    expect(page.locator(".counts tbody tr").first).to_be_visible()
