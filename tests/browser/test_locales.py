"""Times and names of every language fit: long dates, twelve hours, other digits, right to left."""

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import ALICE

from orgtrail import Actor, Context, Target

ORG = "locales"
NAMES = ("أمينة الحسني", "דוד כהן", "田中 太郎", "Ζωή Παπαδοπούλου")
LOCALES = ("en-US", "en-GB", "ar-EG", "fa-IR", "he-IL", "ja-JP", "hu-HU", "hi-IN", "de-DE")


@pytest.fixture(scope="module")
def people(running):
    with running.producer() as producer:
        for number, name in enumerate(NAMES):
            producer.emit(
                "org.user.role.updated",
                org_id=ORG,
                actor=Actor(id=f"u-{number}", email=ALICE.email, name=name),
                targets=[Target(type="user", id=f"t-{number}", name=name)],
                context=Context(ip="80.67.169.12", user_agent="curl/8.5.0"),
            )
    running.wait_for(ORG, len(NAMES))


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("width", [1280, pytest.param(400, marks=pytest.mark.long)])
def test_no_time_wraps_or_leaves_its_cell(open_page, running, people, locale, width):
    page = open_page(
        ORG,
        locale=locale,
        timezone_id="America/Los_Angeles",
        viewport={"width": width, "height": 800},
    )
    page.goto(f"{running.stack.page}/orgs/{ORG}/audit-logs?tz=America%2FLos_Angeles")
    expect(page.locator("#histogram")).to_be_visible()
    check(page)
    page.locator("a.open").first.click()
    expect(page.get_by_role("complementary", name="The chosen event")).to_contain_text("Event ID")
    if width > 1024:
        check(page)


def check(page):
    """Each time of the table stands on one line within its cell; Arabic may have several boxes there."""
    found = page.eval_on_selector_all(
        "td.when time",
        """times => times.map((time) => {
            const cell = time.closest("td").getBoundingClientRect();
            const boxes = [...new Set([...time.getClientRects()].map((box) => Math.round(box.top)))];
            const box = time.getBoundingClientRect();
            return [boxes.length, box.left >= cell.left - 1 && box.right <= cell.right + 1];
        })""",
    )
    assert found
    assert [one for one in found if one != [1, True]] == []


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_name_from_right_to_left_does_not_turn_what_stands_beside_it(
    open_page, running, people, name
):
    """The count, the arrow or the address after a name stays after it."""
    page = open_page(ORG)
    cell = page.locator("td", has_text=name).first
    order = cell.evaluate(
        """(cell) => {
            const name = cell.querySelector(".name").getBoundingClientRect();
            const sub = cell.querySelector(".sub").getBoundingClientRect();
            return [Math.round(name.left - sub.left), getComputedStyle(cell.querySelector(".name")).unicodeBidi];
        }"""
    )
    assert order == [0, "isolate"]
