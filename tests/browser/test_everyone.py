"""For everyone: WCAG 2.2 AA by axe-core, keyboard, widths, dark, print; screenshots to look at."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.browser.conftest import VIOLATIONS

SHOTS = os.environ.get("ORGTRAIL_SHOTS")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def table(page, log, events):
    page.goto(log)
    expect(page.locator("#histogram")).to_be_visible()


def filtered(page, log, events):
    page.goto(f"{log}?user=alice@page.example&outcome=success&last=30d&limit=200")
    expect(page.locator("#histogram")).to_be_visible()
    page.locator(".counts > summary").click()


def picker(page, log, events):
    table(page, log, events)
    page.locator(".picker > summary").click()
    expect(page.locator("[data-event='user.login']")).to_have_text("60")


def beside(page, log, events):
    table(page, log, events)
    page.get_by_role("link", name="Organization - User Role Updated", exact=True).click()
    expect(page.locator("#panel #event")).to_be_visible()


def event(page, log, events):
    page.goto(f"{log}/{events}")


def counts(page, log, events):
    page.goto(f"{log}/summary")


def nothing(page, log, events):
    page.goto(f"{log}?user=bob@page.example&outcome=denied")
    expect(page.get_by_role("heading", name="No matching events")).to_be_visible()


def not_yours(page, log, events):
    page.goto(log.replace("/page/", "/foreign/"))


def hostile(page, log, events):
    page.goto(f"{log}?event=shop.order.paid")
    page.locator("a.open").click()
    expect(page.locator("#panel #event")).to_be_visible()


VIEWS = [table, filtered, picker, beside, event, counts, nothing, not_yours, hostile]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_axe_finds_no_violation(open_page, log, events, view, scheme):
    page = open_page(color_scheme=scheme, expected=("404",))
    view(page, log, events)
    found = Axe().run(page, options=RULES)
    VIOLATIONS[f"{view.__name__}, {scheme}"] = found.violations_count
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 10


@pytest.mark.parametrize(
    "width",
    [320, *(pytest.param(width, marks=pytest.mark.long) for width in (390, 1280, 1920, 2560))],
)
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_it_fits_the_screen(open_page, log, events, view, width):
    page = open_page(viewport={"width": width, "height": 860}, expected=("404",))
    view(page, log, events)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{view.__name__}-{width}.png")


@pytest.mark.long
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_pictures(open_page, log, events, view):
    """In dark; light ones are taken above. Shows that each view draws something."""
    page = open_page(color_scheme="dark", expected=("404",))
    view(page, log, events)
    picture = page.screenshot(path=SHOTS and Path(SHOTS) / f"{view.__name__}-dark.png")
    assert len(picture) > 5_000


def test_by_keyboard_alone(page, log, events):
    """From the top: skip to the content, filter by a user, open an event, close it."""
    page.goto(log)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "user":
            break
    page.keyboard.type("bob@page.example")
    page.keyboard.press("Enter")
    expect(page.locator("tr[data-id]")).to_have_count(1)
    page.locator("a.open").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="The chosen event")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("a.open")).to_be_focused()


def test_printed_it_is_the_table(page, log, events):
    page.goto(log)
    page.emulate_media(media="print")
    expect(page.locator("form.filters")).to_be_hidden()
    expect(page.locator(".tools")).to_be_hidden()
    expect(page.locator("table.events")).to_be_visible()
    assert page.pdf().startswith(b"%PDF")


def test_reduced_motion_has_no_transitions(open_page, log):
    moving = "getComputedStyle(document.querySelector('.button')).transitionDuration"
    assert open_page(reduced_motion="reduce").evaluate(moving) == "0s"
    assert open_page(reduced_motion="no-preference").evaluate(moving) != "0s"
