"""From the headers of a request to its scope, for every framework."""

import pytest

from orgtrail import Actor, Context, SettingsError
from orgtrail.request.proxies import Networks
from orgtrail.request.reader import Requests

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def read(headers=(), peer="203.0.113.9", request=None, **options):
    return Requests(**options).scope(peer, list(headers), lambda: request)


def test_a_request_without_headers_has_the_address_of_its_peer():
    scope = read()
    assert scope.where() == Context(ip="203.0.113.9")
    assert (scope.who(), scope.org_id, scope.traceparent) == (None, None, "")


def test_headers_become_the_origin():
    scope = read(
        [
            (b"user-agent", b"curl/8"),
            (b"x-request-id", b"r-1"),
            (b"traceparent", PARENT.encode()),
            (b"cookie", b"session=secret"),
        ]
    )
    assert scope.where() == Context(ip="203.0.113.9", user_agent="curl/8", request_id="r-1", trace_id=TRACE)  # fmt: skip
    assert scope.traceparent == PARENT


@pytest.mark.parametrize("name", [b"user-agent", b"x-request-id"])
def test_the_first_of_a_repeated_header_counts_even_if_it_is_empty(name):
    field = {b"user-agent": "user_agent", b"x-request-id": "request_id"}[name]
    assert getattr(read([(name, b"one"), (name, b"two")]), field) == "one"
    assert getattr(read([(name, b""), (name, b"two")]), field) == ""


@pytest.mark.parametrize(
    "values", [[PARENT, PARENT], ["nonsense"], [""], [PARENT.upper()], [f"{PARENT}-more"]]
)
def test_a_traceparent_that_is_repeated_or_invalid_is_ignored(values):
    scope = read([(b"traceparent", value.encode()) for value in values])
    assert (scope.traceparent, scope.trace_id) == ("", "")


@pytest.mark.parametrize("option", ["X-Correlation-ID", "x-correlation-id"])
def test_the_header_of_the_request_id_can_be_chosen(option):
    headers = [(b"x-request-id", b"theirs"), (b"x-correlation-id", b"ours")]
    assert read(headers, request_id_header=option).request_id == "ours"


@pytest.mark.parametrize(
    ("value", "text"), [("ü".encode(), "ü"), (b"\xfc", "ü"), (b"\xff\xfe", "ÿþ"), (b"", "")]
)
def test_bytes_of_a_header_are_always_text(value, text):
    assert read([(b"user-agent", value)]).user_agent == text


@pytest.mark.parametrize("trusted", ["10.0.0.0/8", ["10.0.0.0/8"], Networks("10.0.0.0/8")])
def test_a_forwarded_address_counts_behind_a_trusted_proxy_only(trusted):
    headers = [(b"x-forwarded-for", b"198.51.100.7")]
    assert read(headers, "10.0.0.1", trusted_proxies=trusted).ip == "198.51.100.7"
    assert read(headers, "203.0.113.9", trusted_proxies=trusted).ip == "203.0.113.9"
    assert read(headers, "10.0.0.1").ip == "10.0.0.1"


def test_a_wrong_network_is_an_error_at_the_start():
    with pytest.raises(SettingsError):
        Requests(trusted_proxies="10.0.0.0/99")


def test_functions_get_the_request_when_an_event_asks_for_them():
    made = []
    requests = Requests(actor=lambda r: Actor(id=r["user"]), org_id=lambda r: r["org"])
    scope = requests.scope("", [], lambda: made.append(1) or {"user": "u-1", "org": "acme"})
    assert made == []
    assert (scope.who(), scope.org_id) == (Actor(id="u-1"), "acme")
    assert len(made) == 2
