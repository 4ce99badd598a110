"""Every value of an event is hostile: nothing it says is obeyed, and the policy holds."""

from playwright.sync_api import expect
from tests.browser.conftest import HOSTILE

from orgtrail import Actor, Change, Context, Target
from orgtrail_schemas.limits import TEXT_LENGTH


def test_what_an_event_says_is_never_obeyed(page, log):
    page.goto(f"{log}?event=shop.order.paid")
    row = page.locator("tr[data-id]")
    expect(row).to_contain_text("<script>document.title='owned'</script>\\u202e")
    page.locator("a.open").click()
    panel = page.locator("#panel #event")
    expect(panel).to_contain_text("\\u202e")
    # In an unlisted event nothing undeclared is shown.
    expect(panel.get_by_role("region", name="Who was affected")).to_contain_text("redacted")
    for _ in range(2):
        assert page.locator("main script, main img, main [onerror]").count() == 0
        assert "\u202e" not in page.locator("main").text_content()
        assert "owned" not in page.title()
        page.goto(page.url)
    # Its values lead back to it as filters, whatever they hold.
    page.get_by_role("link", name="Everything on this target").click()
    expect(page.locator("tr[data-id]")).to_have_count(1)
    expect(page.locator(".chips")).to_contain_text("<script>")
    page.get_by_role("link", name="By event and by actor").click()
    expect(page.get_by_role("link", name="shop.order.paid")).to_be_visible()


def test_values_of_a_listed_event_are_shown_and_never_obeyed(running, open_page):
    with running.producer() as producer:
        event_id = producer.emit(
            "org.details.updated",
            org_id="hostile",
            actor=Actor(id=HOSTILE, name=HOSTILE),
            targets=[Target(type="organization", id=HOSTILE, name=HOSTILE)],
            changes=[Change(field="name", old=HOSTILE, new="=" + HOSTILE)],
            context=Context(user_agent=HOSTILE, session_id="s" * TEXT_LENGTH),
            metadata={"note": HOSTILE, "long": "x" * 1024},
        )
    running.wait_for("hostile", 1)
    page = open_page("hostile")
    page.goto(f"{running.stack.page}/orgs/hostile/audit-logs/{event_id}")
    shown = HOSTILE.replace("\u202e", "\\u202e")
    for part in ("Who was affected", "More"):
        expect(page.get_by_role("region", name=part)).to_contain_text(shown)
    expect(page.locator(".old")).to_have_text(shown)
    expect(page.locator(".new")).to_have_text("=" + shown)
    assert page.locator("main script, main img, main [onerror]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # The longest value that is stored is a filter, too.
    page.get_by_role("link", name="Same session").click()
    expect(page.locator(f'tr[data-id="{event_id}"]')).to_have_count(1)


def test_what_the_address_says_is_never_obeyed(open_page, log):
    page = open_page(expected=("400",))
    for query in (
        "user=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "q=%3Cimg%20src=x%20onerror=alert(1)%3E",
        "event=%3Cscript%3Ealert(1)%3C/script%3E",
        "tz=%3Cscript%3Ealert(1)%3C/script%3E",
        "from=%22onfocus=alert(1)%20autofocus=%22",
        "%3Cscript%3Ealert(1)%3C/script%3E=1",
    ):
        page.goto(f"{log}?{query}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.locator("script:not([type=module]), [onfocus], [onerror]").count() == 0


def test_the_policy_holds(open_page, log):
    page = open_page(expected=("Content Security Policy",))
    answer = page.goto(log)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    blocked = page.evaluate(
        """async () => {
            const inline = document.createElement('script');
            inline.textContent = 'window.owned = true';
            document.body.append(inline);
            return window.owned === undefined;
        }"""
    )
    assert blocked
