"""The ports of the local ClickHouse: nobody without a password, and no file of the user for anybody."""

import socket

import httpx
import pytest
from tests.attack.conftest import TALLY
from tests.support.docker_servers import docker_answers
from tests.support.running import eventually

from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode
from orgtrail_deploy.local.fence import has_fence
from orgtrail_deploy.local.ports import free_ports
from orgtrail_deploy.local.secrets import ANALYST, ANALYSTS, load_secrets
from orgtrail_schemas.access import access, passwords_wanted, users_xml

USERS = ["", "default", ANALYST.name, *(role.name for role in access().role)]
WITH_PASSWORD = [ANALYST.name, *passwords_wanted()]


class Server:
    """A server of its own, since some attacks end it."""

    def __init__(self, root):
        self.root = root
        http, tcp = free_ports(2)
        self.node = ClickHouseNode(folder=root / "clickhouse", http_port=http, tcp_port=tcp)
        self.passwords = load_secrets(root).passwords
        self.server = ClickHouse(self.node, users_xml(self.passwords, ANALYSTS))
        self.server.wait_ready()

    def ask(self, query, user="", password=None, **headers):
        TALLY["attacks"] += 1
        if user:
            headers |= {"X-ClickHouse-User": user}
        if password is None:
            password = self.passwords.get(user, "")
        if password:
            headers |= {"X-ClickHouse-Key": password}
        url = f"http://127.0.0.1:{self.node.http_port}/"
        return httpx.post(url, content=query, headers=headers, timeout=20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if docker_answers():
        pytest.skip("ClickHouse runs in a container here, which is its fence")
    made = Server(tmp_path_factory.mktemp("fence"))
    yield made
    made.server.stop()


QUERIES = [
    "SELECT 1",
    "SELECT currentUser()",
    "SELECT file('{secrets}')",
    "SELECT * FROM audit.events",
    "SELECT * FROM Python('x')",
    "SELECT * FROM system.users",
    "SYSTEM STOP LISTEN HTTP",
    "SYSTEM SHUTDOWN",
    "SET max_sessions_for_user = 9",
    "KILL QUERY WHERE 1",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("user", USERS)
def test_nobody_does_anything_without_a_password(server, user, query):
    answer = server.ask(query.format(secrets=server.root / "secrets.json"), user, password="")
    assert answer.status_code in (401, 403, 500), answer.text
    assert "AUTHENTICATION_FAILED" in answer.text or "SESSION_LIMIT" in answer.text, answer.text
    assert server.ask("SELECT 1", ANALYST.name).text == "1\n"


@pytest.mark.parametrize("user", ["default", ANALYST.name])
def test_nobody_signs_in_at_the_native_port_without_a_password(server, user):
    def text(value):
        return bytes([len(value)]) + value.encode()

    hello = b"\x00" + text("a test") + bytes([1, 1]) + b"\xb0\xa9\x03" + text("") + text(user)
    with socket.create_connection(("127.0.0.1", server.node.tcp_port), 10) as connection:
        connection.sendall(hello + text(""))
        answer = connection.recv(4096)
    assert answer[:1] == b"\x02", "the answer to a greeting is an exception"
    assert b"Authentication failed" in answer or b"overflown session count" in answer


@pytest.mark.skipif(not has_fence(), reason="this system has no Landlock: there is no fence")
@pytest.mark.parametrize("user", WITH_PASSWORD)
def test_nobody_reads_a_file_of_the_user(server, user, tmp_path):
    (tmp_path / "mine").write_text("private")
    for path in (
        "/etc/hostname",
        "/etc/passwd",
        "/proc/1/environ",
        server.root / "secrets.json",
        tmp_path / "mine",
        "../../secrets.json",
        "../secrets.json",
    ):
        answer = server.ask(f"SELECT file('{path}')", user)
        assert answer.status_code >= 400, answer.text
        assert "CANNOT_OPEN_FILE" in answer.text or "FILE_DOESNT_EXIST" in answer.text, answer.text


@pytest.mark.parametrize("user", WITH_PASSWORD)
def test_nobody_reaches_out(server, user):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        port = listener.getsockname()[1]
        for query in (
            f"SELECT * FROM url('http://127.0.0.1:{port}/', 'LineAsString')",
            f"SELECT * FROM remote('127.0.0.1:{port}', 'system.one')",
            f"SELECT * FROM s3('http://127.0.0.1:{port}/b/k', 'LineAsString')",
        ):
            assert server.ask(query, user).status_code >= 400
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
def test_a_web_page_learns_nothing(server, origin):
    """A page's script may send requests, but the browser shows it only answers that allow it."""
    for user in ("", "default"):
        answer = server.ask("SELECT 1", user, Origin=origin, Host="evil.example")
        assert answer.status_code >= 400
        assert "access-control-allow-origin" not in answer.headers
    # Not even with a password, and not by a name that was made to lead here (DNS rebinding).
    for headers in (
        {"Origin": origin},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:8123"},
    ):
        refused = server.ask("SELECT 1", ANALYST.name, **headers)
        assert (refused.status_code, refused.text) == (403, "not an address of this machine\n")
        assert "access-control-allow-origin" not in refused.headers
    assert server.ask("SELECT 1", ANALYST.name).text == "1\n"


def test_a_query_that_ends_the_server_ends_it_for_a_moment(server):
    with pytest.raises(httpx.HTTPError):
        server.ask("SELECT * FROM Python('x')", ANALYST.name)
    line = eventually(server.server.child.revive)
    assert line.startswith("ClickHouse ended (status ")
    assert str(server.server.child.log) in line
    server.server.wait_ready()
    assert server.ask("SELECT 1", ANALYST.name).text == "1\n"
