"""Below a path, behind nginx with TLS and its default buffers, with a real identity provider."""

import re
import socket
import ssl

import httpx
import pytest
from playwright.sync_api import expect
from tests.browser.provider import ORG, forget_sign_ins, sign_in, signing_in
from tests.support.nginx import nginx
from tests.support.running import eventually
from tests.support.service import own_service

from orgtrail_deploy.local.ports import free_ports

PREFIX = "/audit"


@pytest.fixture(scope="module", params=["kept", pytest.param("removed", marks=pytest.mark.long)])
def site(request, running, iam_server, tmp_path_factory):
    """The address in browsers; the proxy keeps the path, or removes it."""
    folder = tmp_path_factory.mktemp("nginx")
    (port,) = free_ports(1)
    address = f"https://127.0.0.1:{port}{PREFIX}"
    settings = {"trusted_proxies": "127.0.0.1"}
    with (
        signing_in(running, iam_server, folder, address, **settings) as service,
        nginx(folder, port, service.port, strips=request.param == "removed") as certificate,
    ):
        yield address, certificate


@pytest.fixture
def page(site, iam_server, browser):
    forget_sign_ins(iam_server)
    context = browser.new_context(ignore_https_errors=True, accept_downloads=True)
    context.set_default_timeout(15_000)
    problems = []
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("response", lambda r: problems.append(r.url) if r.status >= 500 else None)
    yield page
    context.close()
    assert problems == []


def test_everything_works_below_a_path(page, site, people, tmp_path):
    address, _ = site
    # The form at the provider, the callback, and where the person was going.
    page.goto(f"{address}/orgs/{ORG}/audit-logs?event=user.login")
    sign_in(page, people["admin"])
    expect(page).to_have_url(re.compile(re.escape(f"{address}/orgs/{ORG}/audit-logs?event=")))
    # Styles and script: the histogram is drawn by the script.
    expect(page.locator("#histogram")).to_be_visible()
    assert (
        page.evaluate("getComputedStyle(document.querySelector('table.events')).display") == "table"
    )
    # An event beside the table, its API address, and a link within it.
    page.locator("a.open").first.click()
    panel = page.get_by_role("complementary", name="The chosen event")
    expect(panel.get_by_text("Event ID")).to_be_visible()
    assert page.request.get(_absolute(page, panel.get_by_role("link", name="JSON"))).ok
    panel.get_by_role("button", name="Close").click()
    # A form.
    page.get_by_label("Text", exact=True).fill("login")
    page.locator("form.filters > .actions button").click()
    expect(page).to_have_url(
        re.compile(re.escape(f"{address}/orgs/{ORG}/audit-logs?") + ".*q=login")
    )
    # A download.
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").first.click()
    download.value.save_as(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text("utf-8-sig").startswith('"event_id",')
    # The counts, and the way home.
    page.goto(f"{address}/orgs/{ORG}/audit-logs/summary")
    expect(page.get_by_role("heading", name="By event")).to_be_visible()
    page.get_by_role("link", name="Orgtrail").click()
    expect(page).to_have_url(f"{address}/orgs/{ORG}/audit-logs")
    for link in page.locator("a[href], link[href], form[action], script[src]").all():
        target = (
            link.get_attribute("href") or link.get_attribute("action") or link.get_attribute("src")
        )
        assert target.startswith((f"{PREFIX}/", "#")), target
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("signed out")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in again")).to_have_attribute("href", f"{PREFIX}/")


def test_an_auditor_reads_too(page, site, people):
    address, _ = site
    page.goto(f"{address}/")
    page.goto(f"{address}/sign-in")
    sign_in(page, people["auditor"])
    expect(page.locator("tr[data-id]").first).to_be_visible()


def _absolute(page, link):
    return page.evaluate("path => new URL(path, location.href).href", link.get_attribute("href"))


@pytest.fixture(scope="module")
def api(running, site, tmp_path_factory):
    """The same proxy's settings over the local issuer: programs come with tokens."""
    folder = tmp_path_factory.mktemp("nginx-api")
    (port,) = free_ports(1)
    address = f"https://127.0.0.1:{port}{PREFIX}"
    settings = {"public_url": address, "trusted_proxies": "127.0.0.1", "sign_in_dir": ""}
    with (
        own_service(running, folder, **settings) as service,
        nginx(folder, port, service.port) as certificate,
    ):
        context = ssl.create_default_context(cafile=str(certificate))
        headers = {"Authorization": f"Bearer {running.token(ORG)}"}
        with httpx.Client(verify=context, headers=headers, timeout=30) as client:
            yield service, client, address


def test_programs_follow_links_and_get_files(api):
    _, client, address = api
    first = client.get(f"{address}/v1/orgs/{ORG}/events", params={"limit": 1})
    link = re.fullmatch(r'<(/audit/v1/[^>]*)>; rel="next"', first.headers["link"])
    assert link is not None
    second = client.get(address.removesuffix(PREFIX) + link[1])
    assert second.json()["events"][0] != first.json()["events"][0]
    for suffix in ("csv", "jsonl", "parquet"):
        answer = client.get(f"{address}/v1/orgs/{ORG}/events/export.{suffix}")
        assert answer.status_code == 200
        assert answer.content
    described = client.get(f"{address}/schema/openapi.json").json()
    assert described["servers"] == [{"url": PREFIX}]


def test_the_proxys_client_is_the_one_who_is_recorded(api):
    _, client, address = api
    client.get(f"{address}/v1/orgs/{ORG}/events/export.csv")
    asked = {"event": "org.audit-log.exported"}
    (event, *_) = eventually(
        lambda: client.get(f"{address}/v1/orgs/{ORG}/events", params=asked).json()["events"]
    )
    assert event["context"]["ip"] == "127.0.0.1"


def test_an_old_client_gets_no_chunks(api, running):
    service, _, _ = api
    for path in (f"/v1/orgs/{ORG}/events/export.csv", f"/v1/orgs/{ORG}/events", "/livez"):
        with socket.create_connection(("127.0.0.1", service.port), 20) as line:
            line.sendall(
                f"GET {path} HTTP/1.0\r\nAuthorization: Bearer {running.token(ORG)}\r\n\r\n".encode()
            )
            answer = b""
            while piece := line.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split()[1] == b"200"
        assert b"chunked" not in head.lower()
        assert body.startswith((b'"event_id",', b'{"events":', b"ok"))
