import json

import httpx
import pytest

from orgtrail_query_service.terminal.api_client import (
    ClientError,
    check,
    connect,
    events_path,
    file_name,
    pages,
)
from orgtrail_query_service.terminal.settings import ClientSettings
from orgtrail_schemas.settings import Secret


def page(count, cursor):
    event = json.loads(json.dumps(EVENT))
    body = {
        "events": [event] * count,
        "next_cursor": cursor,
        "settled_through": None,
        "set_aside": 0,
    }
    return httpx.Response(200, json=body)


PERSON = {"type": "user", "id": "u", "email": "", "name": ""}
CONTEXT = dict.fromkeys(
    ["ip", "country", "user_agent", "browser", "os", "device", "service", "request_id", "session_id", "trace_id"], ""
)  # fmt: skip
EVENT = {
    "event_id": "00000000-0000-0000-0000-000000000001", "occurred_at": "2026-11-23T12:00:00Z", "org_id": "acme",
    "event": "user.login", "event_name": "Login", "level": "user", "listed": True, "outcome": "success",
    "actor": PERSON, "impersonator": None, "targets": [], "changes": [], "context": CONTEXT, "metadata": {},
    "received_at": "2026-11-23T12:00:00Z", "ingested_at": "2026-11-23T12:00:00Z",
    "source": {"topic": "t", "partition": 0, "offset": 0}, "schema_fingerprint": "",
}  # fmt: skip


def client_of(*answers):
    """A client of these answers, and the parameters of the requests that it makes."""
    left, asked = list(answers), []

    def handle(request):
        asked.append(dict(request.url.params.multi_items()))
        return left.pop(0)

    return httpx.Client(transport=httpx.MockTransport(handle), base_url="http://service"), asked


@pytest.mark.parametrize(
    ("limit", "asked", "counts"),
    [
        (5, [5], [5]),
        (1000, [1000], [1000]),
        (1500, [1000, 500], [1000, 500]),
        (0, [1000, 1000, 1000], [1000, 1000, 7]),
    ],
)
def test_pages_are_asked_for_until_there_are_enough(limit, asked, counts):
    cursors = [f"c{n}" for n in range(1, len(counts))] + ["more" if limit else None]
    client, given = client_of(*map(page, counts, cursors))
    found = list(pages(client, "acme", [("user", "bob")], limit))
    assert [len(one.events) for one in found] == counts
    assert [int(one["limit"]) for one in given] == asked
    assert [one["cursor"] for one in given] == ["", *cursors[:-1]]
    assert {one["user"] for one in given} == {"bob"}


def test_a_page_without_a_cursor_is_the_last():
    client, given = client_of(page(2, None))
    assert len(list(pages(client, "acme", [], 50))) == len(given) == 1


def test_a_page_without_events_may_be_followed_by_others():
    client, _ = client_of(page(0, "c1"), page(2, None))
    assert [len(one.events) for one in pages(client, "acme", [], 50)] == [0, 2]


def test_an_organization_stays_in_its_segment():
    assert events_path("a/../b?c", "export.csv") == "/v1/orgs/a%2F..%2Fb%3Fc/events/export.csv"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            '{"title": "Not found", "detail": "It is\\u001b[2J gone."}',
            "Not found. It is\\u001b[2J gone.",
        ),
        ('{"title": "Only"}', "the query service answered 502"),
        ("<html>", "the query service answered 502"),
        ("[]", "the query service answered 502"),
        ("", "the query service answered 502"),
    ],
)
def test_a_problem_is_one_line_that_the_terminal_does_not_obey(content, expected):
    with pytest.raises(ClientError) as raised:
        check(httpx.Response(502, content=content))
    assert str(raised.value) == expected


@pytest.mark.parametrize("status", [301, 304, 400, 500])
def test_every_answer_but_success_is_an_error(status):
    with pytest.raises(ClientError):
        check(httpx.Response(status))
    check(httpx.Response(200))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "attachment",
        'attachment; filename="../a.csv"',
        'attachment; filename="/etc/passwd"',
        'attachment; filename=".bashrc"',
        'attachment; filename="-rf"',
        'attachment; filename="a\\b"',
        'attachment; filename="a b"',
        'attachment; filename=""',
        'attachment; filename="a"; filename="b"',
        'inline; filename="a.csv"',
    ],
)
def test_a_name_that_could_leave_the_folder_is_refused(header):
    with pytest.raises(ClientError, match="--output"):
        file_name(
            httpx.Response(
                200, headers={"Content-Disposition": header} if header is not None else {}
            )
        )


def test_a_plain_name_is_taken():
    headers = {"Content-Disposition": 'attachment; filename="audit-log-a_b-20261101-20261123.csv"'}
    assert file_name(httpx.Response(200, headers=headers)) == "audit-log-a_b-20261101-20261123.csv"


@pytest.mark.parametrize("token", ["", " \n", "tökén"])
def test_a_token_that_cannot_be_sent_is_named(token):
    with (
        pytest.raises(ClientError, match="ORGTRAIL_TOKEN"),
        connect(ClientSettings(token=Secret(token))),
    ):
        pass


def test_a_token_from_a_file_with_a_line_end_is_sent():
    with connect(ClientSettings(token=Secret(" abc\n"))) as client:
        assert client.headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(httpx.ConnectError("refused"), "refused"), (httpx.ReadTimeout(""), "ReadTimeout")],
)
def test_a_service_that_is_unreachable_is_named_without_the_token(error, reason):
    settings = ClientSettings(url="http://service:1", token=Secret("hunter2"))
    with pytest.raises(ClientError) as raised, connect(settings):
        raise error
    assert str(raised.value) == f"the query service at http://service:1: {reason}"


def test_a_wrong_address_is_named():
    with (
        pytest.raises(ClientError, match=r"^ORGTRAIL_URL"),
        connect(ClientSettings(url="http://a:b:c", token=Secret("t"))),
    ):
        pass
