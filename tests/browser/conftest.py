"""A browser signed in as an administrator, and one organization's believable events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page
from tests.browser.provider import ORG as SSO
from tests.browser.provider import PASSWORD

from orgtrail import Actor, Change, Context, Target

ORG = "page"
HOSTILE = "<script>document.title='owned'</script>\u202e<img src=x onerror=alert(1)>"
ALICE = Actor(id="u-1", email="alice@page.example", name="Alice Moreau")
VIOLATIONS: dict[str, int] = {}
"""What axe-core found, by view; printed at the end of the run."""
WHERE = Context(ip="80.67.169.12", user_agent="curl/8.5.0", request_id="req-1", session_id="ses-1")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if VIOLATIONS:
        count = sum(VIOLATIONS.values())
        terminalreporter.write_line(f"axe: {len(VIOLATIONS)} views, {count} violations")


@pytest.fixture(scope="session")
def now():
    """When the events' hour ended."""
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def events(running, now):
    """Sixty sign-ins, one event that has everything (its id is returned), and a hostile one."""
    bob = Target(type="user", id="u-2", email="bob@page.example", name="Bob Okafor")
    with running.producer() as producer:
        for minutes in range(60):
            producer.emit(
                "user.login",
                org_id=ORG,
                actor=ALICE,
                context=WHERE,
                occurred_at=now - timedelta(minutes=5 + minutes),
            )
        role = producer.emit(
            "org.user.role.updated",
            org_id=ORG,
            actor=ALICE,
            impersonator=Actor(type="support", id="s-1", email="sam@support.example"),
            targets=[bob],
            changes=[
                Change(field="role", old="member", new="admin"),
                Change(field="password", old="hunter2", new="hunter3"),
            ],
            context=WHERE,
            occurred_at=now - timedelta(minutes=2),
        )
        producer.emit(
            "shop.order.paid",
            org_id=ORG,
            actor=Actor(id=HOSTILE, email=HOSTILE, name=HOSTILE),
            impersonator=Actor(type="support", id=HOSTILE, email=HOSTILE, name=HOSTILE),
            targets=[Target(type=HOSTILE, id=HOSTILE, email=HOSTILE, name=HOSTILE)],
            changes=[Change(field=HOSTILE, old=HOSTILE, new=HOSTILE * 10)],
            context=Context(
                user_agent=HOSTILE, request_id=HOSTILE[:100], session_id=HOSTILE[:100],
                service=HOSTILE[:60], trace_id="",
            ),
            metadata={"\x01key\u2066": HOSTILE, "long": "x" * 1024},
            outcome="denied",
            occurred_at=now - timedelta(minutes=1),
        )  # fmt: skip
    running.wait_for(ORG, 62)
    return role


@pytest.fixture(scope="session")
def iam_configuration(iam_configuration):
    """The provider's key says what it is for; without that Canaille signs with RS512."""
    for key in iam_configuration["CANAILLE_OIDC"]["ACTIVE_JWKS"]:
        key["alg"] = "RS256"
    return iam_configuration


@pytest.fixture(scope="session")
def people(iam_server):
    """An administrator, an auditor, a member, and one who tells the provider no."""
    names = {}
    for role in ("admin", "auditor", "member", "refuser"):
        user = iam_server.random_user(
            user_name=f"ada-{role}",
            formatted_name=f"Ada {role.title()}",
            emails=[f"ada-{role}@sso.example"],
            password=PASSWORD,
        )
        iam_server.random_group(display_name=f"{SSO}:{role}", members=[user])
        names[role] = user.user_name
    return names


@pytest.fixture
def open_page(browser, running, events):
    """Open a page signed in; what it logs, throws or asks of other hosts fails the test."""
    problems = []
    contexts = []

    def opened(*orgs, expected=(), **options):
        options = {
            "viewport": {"width": 1280, "height": 860},
            "locale": "en-GB",
            "timezone_id": "UTC",
        } | options
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on(
            "console",
            lambda m: (
                problems.append(m.text)
                if m.type == "error" and not any(text in m.text for text in expected)
                else None
            ),
        )
        page.on(
            "request",
            lambda r: (
                problems.append(r.url)
                if not r.url.startswith((running.stack.page, "blob:", "data:"))
                else None
            ),
        )
        page.goto(running.sign_in_link(*(orgs or (ORG,))))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(open_page):
    """The log of ``ORG``, in UTC."""
    return open_page()


@pytest.fixture
def log(running):
    """The address of the log of ``ORG``."""
    return f"{running.stack.page}/orgs/{ORG}/audit-logs"


def drag(page: Page, chart: Locator, start: float) -> None:
    """Drag over a chart from a share of its width to near its end, not quite level."""
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * start, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 40, steps=5)
    page.mouse.up()
