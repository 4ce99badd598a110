"""Every route that the application has, and every parameter at its extremes: no defect, no delay."""

import threading
import time
from dataclasses import replace

import httpx
import pytest
from litestar import Litestar
from msgspec.structs import replace as changed
from tests.attack.conftest import ATTACKER, TALLY
from tests.support.query_parts import SETTINGS, FakeDatabase, fake_parts

from orgtrail_query_service.app import make_app
from orgtrail_query_service.reads.filters import FILTERS

EVENT = "01a208cf-14b6-738d-b743-9ff499ac1143"
WITHIN_S = 0.05
TIMES = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "1969-12-31T23:59:59Z",
    "2500-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-23:59",
    "2026-11-23t09:00:00z",
    "2026-11-23T09:00:00." + "9" * 4000 + "Z",
    "2026-02-30T00:00:00Z",
    "2026-11-23",
    "24:00",
    "now",
)
DAYS = (
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59",
    "2026-11-23",
    "1970-01-01T00:00",
    "20261123",
)
ZONES = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12", "../../etc/passwd", "Factory", "posixrules")


def routes() -> list[tuple[str, set[str]]]:
    """Of the application with everything that can be configured: paths and methods."""
    settings = changed(SETTINGS, oidc_client_id="page", sign_in_dir="/nowhere")
    app: Litestar = make_app(settings, replace(fake_parts(FakeDatabase()), settings=settings))
    return sorted((route.path_format, set(route.methods)) for route in app.routes)


def fill(path: str) -> str:
    given = {"org": ATTACKER, "event_id": EVENT, "path": "openapi.json"}
    given |= dict.fromkeys(("code", "digest", "name"), "x")
    for name, value in given.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path
    return path


@pytest.fixture
def session(attacker, running):
    with httpx.Client(base_url=attacker.url, timeout=30, follow_redirects=True) as browser:
        browser.get(running.sign_in_link(ATTACKER))
        yield browser


@pytest.mark.parametrize(("path", "methods"), routes(), ids=[path for path, _ in routes()])
def test_every_route_answers_whoever_asks(attacker, session, path, methods):
    path = fill(path)
    for method in sorted(methods | {"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE"}):
        for media in ("text/html", "application/json", "*/*"):
            ways = {"headers": {"Accept": media}, "method": method}
            attacker.ask(path, **ways)
            attacker.ask(path, token="forged", **ways)
            TALLY["attacks"] += 2
            for answer in (
                httpx.request(method, attacker.url + path, headers=ways["headers"]),
                session.request(method, path, headers=ways["headers"], follow_redirects=False),
            ):
                assert answer.status_code < 500, (method, path, media)
                if method == "HEAD":
                    assert answer.content == b""


def test_the_walk_has_what_the_docs_promise():
    paths = {path for path, _ in routes()}
    for promised in ("/docs", "/schema/{path}", "/livez", "/readyz", "/metrics", "/"):
        assert promised in paths


READS = [fill(path) for path, _ in routes() if "{org}" in path]
TIMED = ("since", "until", "received_since", "occurred_at")


@pytest.mark.parametrize("path", READS)
def test_a_time_is_checked_before_anything_is_made_of_it(attacker, path):
    for name in TIMED:
        for text in TIMES:
            answer = attacker.ask(path, params={name: text, **feed(name)})
            assert answer.status_code in (200, 400, 404), (name, text)
    for name in ("from", "to"):
        for text in DAYS:
            for zone in ZONES if "audit-logs" in path else ("UTC",):
                answer = attacker.ask(path, params={name: text, "tz": zone})
                assert answer.status_code in (200, 400, 404), (name, text, zone)


def feed(name):
    return {"order": "received"} if name == "received_since" else {}


def expensive():
    """Requests that might keep the event loop busy before they are refused or read."""
    most = {f.name: "9" * 4096 for f in FILTERS if not f.choices}
    for path in READS:
        for name in TIMED:
            for text in TIMES[:6]:
                yield path, {"params": {name: text, **feed(name)}}
        yield path, {"params": {"limit": "9" * 4096}}
        yield path, {"params": {"q": "x" * 4096}}
        for name in ("user", "event", "ip"):
            yield path, {"params": [(name, f"{n:04d}" * 150) for n in range(100)]}
            yield path, {"params": [(name, f"10.0.0.{n}") for n in range(20)]}
        yield path, {"params": [(name, value) for name, value in most.items() if name != "ip"]}
        yield path, {"params": {"cursor": "W10." * 1000}}
        yield path, {"headers": {"Accept": "a/b;q=0.1," * 5000}}
        yield path, {"headers": {"Accept-Encoding": "gzip;q=0.1," * 5000}}
        yield path, {"headers": {"Cookie": "orgtrail-0=" + "A" * 50_000}}
        yield path, {"headers": {"Cookie": "; ".join(f"c{n}=x" for n in range(5000))}}
        yield path, {"token": ".".join(["A" * 16_000] * 3)}


@pytest.mark.parametrize("path", READS)
def test_the_service_is_alive_meanwhile(attacker, whole, path):
    """Of three tries one is without the machine's own pauses; a busy loop is late in each."""
    late = {}
    mine = [more for asked, more in expensive() if asked == path]
    for more in mine if whole else mine[READS.index(path) % 3 :: 3]:
        took = []
        for _ in range(3):
            took.append(slowest_meanwhile(attacker, path, more))
            if took[-1] <= WITHIN_S:
                break
        if min(took) > WITHIN_S:
            late[str(more)[:80]] = round(min(took), 3)
    assert late == {}


def slowest_meanwhile(attacker, path, more):
    """How long /livez takes at most while a request is answered, in seconds."""
    done = threading.Event()
    slowest = 0.0

    def watch():
        nonlocal slowest
        with httpx.Client(base_url=attacker.url, timeout=30) as client:
            client.get("/livez")
            while not done.is_set():
                began = time.perf_counter()
                assert client.get("/livez").status_code == 200
                slowest = max(slowest, time.perf_counter() - began)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        given = dict(more)
        token = given.pop("token", None)
        attacker.ask(path, token=token, **given)
    finally:
        done.set()
        thread.join()
    return slowest
