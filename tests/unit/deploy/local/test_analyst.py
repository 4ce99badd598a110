"""Queries as the analyst: what is sent to ClickHouse, and its errors in one line."""

import io
import urllib.error
import urllib.request

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.analyst import ask
from orgtrail_deploy.local.secrets import ANALYST, load_secrets


@pytest.fixture
def server(monkeypatch):
    """What the server answers (an exception is raised), and the requests that it got."""
    state = {"answer": b"", "requests": []}

    def urlopen(request, timeout):
        state["requests"].append(request)
        if isinstance(state["answer"], Exception):
            raise state["answer"]
        return io.BytesIO(state["answer"])

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return state


def test_a_query_is_sent_with_the_password_of_the_analyst(server, tmp_path):
    server["answer"] = "Zürich\t1\n".encode()
    assert ask(tmp_path, 8124, "SELECT 'ü'", "TSV") == "Zürich\t1\n"
    (request,) = server["requests"]
    assert request.full_url == "http://127.0.0.1:8124/"
    assert request.data == "SELECT 'ü'".encode()
    sent = {name.lower(): value for name, value in request.header_items()}
    assert sent["x-clickhouse-user"] == ANALYST.name
    assert sent["x-clickhouse-key"] == load_secrets(tmp_path).passwords[ANALYST.name]
    assert sent["x-clickhouse-format"] == "TSV"


def test_the_password_is_not_in_the_address(server, tmp_path):
    ask(tmp_path, 8124, "SELECT 1", "TSV")
    password = load_secrets(tmp_path).passwords[ANALYST.name]
    assert password not in server["requests"][0].full_url


def test_a_rejected_query_is_the_first_line_of_the_reason(server, tmp_path):
    body = io.BytesIO(b"Code: 62. Syntax error\nStack trace:\n0. main")
    server["answer"] = urllib.error.HTTPError("http://x/", 400, "Bad Request", {}, body)
    with pytest.raises(StackError) as refused:
        ask(tmp_path, 8124, "SELEC", "TSV")
    assert str(refused.value) == "Code: 62. Syntax error"


@pytest.mark.parametrize(
    "error", [urllib.error.URLError(ConnectionRefusedError()), TimeoutError(), ConnectionResetError()]
)  # fmt: skip
def test_a_server_that_is_unreachable_is_named_by_its_port(server, tmp_path, error):
    server["answer"] = error
    with pytest.raises(StackError, match=r"^[^\n]*8124[^\n]*$"):
        ask(tmp_path, 8124, "SELECT 1", "TSV")
