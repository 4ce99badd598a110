"""A corpus of known attacks, each with what it gets; docs/security-tests.md is its table."""

import base64
import hmac
import json
import socket
import time
from urllib.parse import quote

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.attack.conftest import ATTACKER, TALLY, VICTIM
from tests.support.service import own_service

from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.search import MAX_LENGTH

SQL = (
    "'",
    "\\'",
    "' OR 1=1 --",
    "\\' OR 1=1 --",
    "') OR org_id = 'victim' --",
    "' UNION ALL SELECT * FROM audit.events_store --",
    "x'; DROP TABLE audit.events_store; --",
    "{org:String}",
    "{since:DateTime64(3, 'UTC')}",
    "%(org)s",
    "$1",
    "/*",
    "*/ OR 1=1 /*",
    "1) OR (1=1",
    "\\",
    "\\\\'",
    "\t\n\r",
    "`",
    '"',
    "char(39)",
    "url('http://127.0.0.1:1/')",
    "file('/etc/passwd')",
    "sleep(3)",
    "\u02bc OR 1=1",
    "\uff07 OR 1=1",
    "\u0000",
    "🦊" * 100,
    "9" * 400,
    "-1",
    "1e999",
    "[1]",
    "(1,2)",
    "NULL",
    "true",
    "${jndi:ldap://127.0.0.1/x}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    ".*",
    "*.*",
    "(a+)+$",
    "%",
    "_",
)
READS = ("events", "summary", "events/export.csv", "events/export.jsonl")


@pytest.mark.parametrize("name", [f.name for f in FILTERS] + ["since", "until", "cursor", "order"])
def test_sql_in_a_parameter(attacker, name, whole):
    for value in SQL if whole else SQL[sum(name.encode()) % 5 :: 5]:
        for read in READS[: 1 if name in ("cursor", "order") else None]:
            answer = attacker.ask(f"/v1/orgs/{ATTACKER}/{read}", params={name: value})
            assert answer.status_code in (200, 400)
            negated = name == "exclude_event"
            if answer.status_code == 200 and read == "events" and not negated:
                # A value is only ever compared: none of these occurs, but for marks of text.
                found = answer.json()["events"]
                assert not found or name == "q", (name, value)


def test_sql_in_a_path(attacker):
    for value in SQL:
        part = quote(value, safe="")
        assert attacker.ask(f"/v1/orgs/{part}/events").status_code in (400, 404)
        assert attacker.ask(f"/v1/orgs/{ATTACKER}/events/{part}").status_code in (400, 404)


def test_sql_in_the_prefix_of_people(attacker):
    for value in SQL:
        answer = attacker.ask(f"/v1/orgs/{ATTACKER}/people", params={"prefix": value})
        assert answer.status_code in (200, 400)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/settings.py",
        "/static/....//....//etc/passwd",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/..%5c..%5capp.py",
        "/static/%00",
        "/static/",
        "//etc/passwd",
        "/v1/../v1/orgs/victim/events",
        "/v1//orgs/victim/events",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/sign-in/..%2f..%2fissuer.json",
        "/sign-in/%2e%2e",
        "/sign-in/%00",
        "/schema/../../etc/passwd",
        "/.git/config",
        "/.env",
        "/server-status",
    ],
)
def test_a_path_leads_to_no_file(attacker, path):
    answer = attacker.ask(path)
    assert answer.status_code in (400, 401, 404, 405)
    assert "root:" not in answer.text
    assert "import " not in answer.text


@pytest.mark.parametrize(
    "org", ['a"; filename="evil.exe', "a\r\nSet-Cookie: x=1", "../../a", "a\u202egnp.exe", "é", " "]
)
def test_an_organization_in_a_file_name(attacker, running, org):
    path = f"/v1/orgs/{quote(org, safe='')}/events/export.csv"
    answer = attacker.ask(path, token=running.token(org))
    assert answer.status_code in (200, 400, 404)
    assert "set-cookie" not in answer.headers
    if answer.status_code == 200:
        name = answer.headers["content-disposition"].split("filename=")[1]
        assert name.count('"') == 2
        assert "/" not in name
        assert name.isascii()


def test_what_is_too_large(attacker):
    events = f"/v1/orgs/{ATTACKER}/events"
    assert attacker.ask(events, params={"q": "x" * (MAX_LENGTH + 1)}).status_code == 400
    assert attacker.ask(events, params=[("event", f"e{n}") for n in range(101)]).status_code == 400
    assert attacker.ask(events, params=[("q", "a"), ("q", "b")]).status_code == 400
    assert attacker.ask(events, params={"cursor": "[" * 500}).status_code == 400
    deep = base64.urlsafe_b64encode(b"[" * 380).decode()
    assert attacker.ask(events, params={"cursor": deep}).status_code == 400
    assert attacker.ask(events, token="x" * 20_000).status_code == 401
    assert attacker.ask(events, method="POST", content=b"[" * 1_000_000).status_code == 405
    assert attacker.ask(events, params={f"p{n}": "" for n in range(2000)}).status_code == 400


@pytest.mark.parametrize("size", [70_000, 2_000_000])
@pytest.mark.parametrize("where", ["query", "path", "header"])
def test_a_request_without_end(attacker, size, where):
    host, port = attacker.url.removeprefix("http://").split(":")
    long = b"x" * size
    path = {"query": b"/v1/event-types?q=" + long, "path": b"/" + long}.get(where, b"/livez")
    header = b"X-Long: " + long if where == "header" else b"X-Short: x"
    TALLY["attacks"] += 1
    with socket.create_connection((host, int(port)), 20) as line:
        try:
            line.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
            first = line.recv(65536)
        except ConnectionError:
            first = b""  # the server hung up
    assert first == b"" or first.split()[1][:1] in (b"2", b"4"), first[:200]
    # Also where the HTTP server refuses by itself, as it does an address of more than 64 KB.
    assert not first.startswith(b"HTTP/1.1 4") or b"application/problem+json" in first, first[:200]
    assert attacker.ask(f"/v1/orgs/{ATTACKER}/events").status_code == 200


def _segment(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def tokens(running):
    """Tokens that claim the victim, none of which the issuer made for this service and time."""
    root, now = running.stack.root, int(time.time())
    key = ECKey.import_key(json.loads((root / "issuer.json").read_bytes()))
    public = json.loads((root / "jwks.json").read_bytes())["keys"][0]
    evil = ECKey.generate_key("P-256", {"kid": key.kid})
    good = {
        "iss": "urn:orgtrail:local",
        "aud": "orgtrail",
        "sub": "mallory",
        "exp": now + 600,
        "org_roles": {VICTIM: ["admin"]},
    }

    def sign(header=None, signer=key, without=(), **claims):
        made = {k: v for k, v in (good | claims).items() if k not in without}
        head = {"alg": "ES256", "kid": key.kid} | (header or {})
        return jwt.encode(head, made, signer, algorithms=["ES256"])

    def mac(secret):
        text = f"{_segment({'alg': 'HS256', 'kid': key.kid})}.{_segment(good)}"
        code = hmac.digest(secret, text.encode(), "sha256")
        return f"{text}.{base64.urlsafe_b64encode(code).decode().rstrip('=')}"

    def unsigned(alg):
        return f"{_segment({'alg': alg})}.{_segment(good)}."

    whole = sign()
    head, body, signature = whole.split(".")
    return {
        "none": unsigned("none"),
        "None": unsigned("None"),
        "no algorithm": f"{_segment({})}.{_segment(good)}.",
        "key confusion, PEM": mac(key.as_pem(private=False)),
        "key confusion, JWK": mac(json.dumps(public).encode()),
        "empty HMAC key": mac(b""),
        "another key": sign(signer=evil),
        "kid is a path": sign({"kid": "../../../../dev/null"}, signer=evil),
        "kid is SQL": sign({"kid": "x' UNION SELECT 'k"}, signer=evil),
        "kid is a number": f"{_segment({'alg': 'ES256', 'kid': 1})}.{body}.{signature}",
        "jwk in the header": sign({"jwk": evil.as_dict(private=False)}, signer=evil),
        "jku in the header": sign({"jku": "http://127.0.0.1:1/keys"}, signer=evil),
        "x5u in the header": sign({"x5u": "http://127.0.0.1:1/cert"}, signer=evil),
        "wrong audience": sign(aud="billing"),
        "no audience": sign(without=("aud",)),
        "wrong issuer": sign(iss="urn:evil"),
        "no issuer": sign(without=("iss",)),
        "expired": sign(exp=now - 60),
        "no expiry": sign(without=("exp",)),
        "of the future": sign(nbf=now + 600),
        "no subject": sign(without=("sub",)),
        "changed body": f"{head}.{_segment(good | {'sub': 'admin'})}.{signature}",
        "no signature": f"{head}.{body}.",
        "zero signature": f"{head}.{body}.{base64.urlsafe_b64encode(bytes(64)).decode().rstrip('=')}",
        "cut": whole[:-10],
        "four parts": f"{whole}.x",
        "not base64": "\x7f.\x7f.\x7f",
        "empty": "..",
        "nested": f"{head}.{base64.urlsafe_b64encode(b'[' * 5000).decode().rstrip('=')}.{signature}",
    }


def test_forged_tokens(attacker, running):
    for name, token in tokens(running).items():
        answer = attacker.ask(f"/v1/orgs/{VICTIM}/events", token=token)
        assert answer.status_code in (400, 401), name
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"] == "Bearer", name


@pytest.mark.parametrize(
    "value", ["Basic YTpi", "Bearer", "bearer", "Digest x", "Bearer a b", "Token x", ""]
)
def test_other_authorizations(attacker, value):
    answer = attacker.ask(f"/v1/orgs/{VICTIM}/events", headers={"Authorization": value})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "cookie",
    [
        "orgtrail=x",
        "orgtrail=" + "A" * 3000,
        "orgtrail-0=a; orgtrail-1=b",
        "orgtrail=%00",
        "orgtrail=" + base64.b64encode(b"n" * 12 + b"additional_authenticated_data={}").decode(),
    ],
)
def test_forged_sessions(attacker, cookie):
    TALLY["attacks"] += 1
    answer = httpx.get(f"{attacker.url}/v1/orgs/{VICTIM}/events", headers={"Cookie": cookie})
    attacker.judge(answer)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "evil.example"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Original-URL", "/v1/orgs/victim/events"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Request-Id", "a" * 5000),
        ("User-Agent", "${jndi:ldap://127.0.0.1/x}"),
        ("Accept", "*/*;q=9;" * 200),
        ("Accept-Language", "x" * 5000),
        ("Range", "bytes=0-,0-,0-"),
    ],
)
def test_headers_change_nothing(attacker, name, value):
    answer = attacker.ask(f"/v1/orgs/{ATTACKER}/events", headers={name: value})
    assert answer.status_code == 200
    assert "evil.example" not in answer.text + str(answer.headers)
    assert attacker.ask(f"/v1/orgs/{VICTIM}/events", headers={name: value}).status_code == 404


@pytest.mark.parametrize(
    "more",
    [
        {"content": b"a=" + b"x" * 5_000_000, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"headers": {"X-CSRFToken": "é".encode("latin-1") * 70}},
        {"files": {"_csrf_token": ("f", b"x" * 70)}},
        {"files": {f"f{n}": ("f", b"x") for n in range(2000)}},
    ],
    ids=["large", "odd token", "token as a file", "many files"],
)  # fmt: skip
def test_forms_that_nobody_sends(attacker, running, more):
    with httpx.Client(base_url=attacker.url, follow_redirects=True) as browser:
        browser.get(running.sign_in_link(ATTACKER))
        TALLY["attacks"] += 1
        answer = browser.post("/sign-out", **more)
        assert answer.status_code in (403, 413), answer.text
        assert browser.get(f"/orgs/{ATTACKER}/audit-logs").status_code == 200


def test_a_page_is_never_much_larger_than_its_events(attacker):
    path = f"/orgs/{ATTACKER}/audit-logs"
    long = {"exclude_event": "😀" * 4000, "limit": "1000"}
    assert attacker.ask(path, params=long).status_code == 400
    # As long as may be, for each of a thousand rows.
    answer = attacker.ask(path, params={"exclude_event": "x" * 4000, "limit": "1000"})
    assert answer.status_code == 200
    assert len(answer.content) < 3_000_000


def test_a_form_from_elsewhere_signs_nobody_out(attacker, running):
    with httpx.Client(base_url=attacker.url, follow_redirects=True) as browser:
        browser.get(running.sign_in_link(ATTACKER))
        assert browser.get(f"/orgs/{ATTACKER}/audit-logs").status_code == 200
        TALLY["attacks"] += 1
        assert browser.post("/sign-out").status_code == 403
        assert browser.get(f"/orgs/{ATTACKER}/audit-logs").status_code == 200


def test_a_sign_in_link_works_once(attacker, running):
    link = running.sign_in_link(ATTACKER)
    assert httpx.get(link).status_code == 303
    TALLY["attacks"] += 1
    assert httpx.get(link).status_code == 401


def test_requests_that_never_end(attacker):
    """Slow-loris: three hundred half-sent requests keep nobody else out."""
    host, port = attacker.url.removeprefix("http://").split(":")
    sockets = [socket.create_connection((host, int(port)), 5) for _ in range(300)]
    try:
        for number, one in enumerate(sockets):
            TALLY["attacks"] += 1
            one.sendall(f"GET /v1/orgs/x/events HTTP/1.1\r\nHost: x\r\nX-{number}: ".encode())
        for _ in range(5):
            assert attacker.ask(f"/v1/orgs/{ATTACKER}/events").status_code == 200
    finally:
        for one in sockets:
            one.close()


def test_whoever_asks_too_often_waits(attacker, running, tmp_path):
    with own_service(running, tmp_path, rate_limit="5") as service:
        first, second = running.token(ATTACKER), attacker.token
        link = f"/v1/orgs/{ATTACKER}/events"
        answers = [service.get(link, token) for token in (first, second) * 4]
        TALLY["attacks"] += len(answers)
        # One person with several tokens is one person.
        assert [a.status_code for a in answers] == [200] * 5 + [429] * 3
        assert answers[0].headers["ratelimit-remaining"] == "4"
        refused = answers[-1]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["type"] == "urn:orgtrail:problem:too-many-requests"
        # Strangers share what their address has: forged tokens do not reset it.
        strangers = [service.get(link, f"x{n}").status_code for n in range(8)]
        assert strangers == [401] * 5 + [429] * 3
        assert httpx.get(f"{service.url}/livez").status_code == 200
