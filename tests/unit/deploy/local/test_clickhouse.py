"""The ClickHouse process: its files, and how it is started, awaited and restarted."""

import urllib.error
import urllib.request
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from orgtrail_deploy.local import clickhouse as module
from orgtrail_deploy.local.clickhouse import ClickHouse, ClickHouseNode


class Process:
    """A child that is never started; ``wait_until`` asks until the condition holds."""

    def __init__(self, name, command, *, log, cwd, env):
        self.command, self.log = command, log
        self.stopped = None

    def wait_until(self, ready, seconds):
        self.seconds = seconds
        while not ready():
            pass

    def stop(self, seconds):
        self.stopped = seconds


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Child", Process)
    node = ClickHouseNode(folder=tmp_path / "a" / "clickhouse", http_port=8124, tcp_port=9001)
    return ClickHouse(node, "<clickhouse>secret</clickhouse>")


def test_the_server_listens_on_loopback_only_on_its_ports(server):
    root = ElementTree.parse(server.node.folder / "config.xml").getroot()
    assert [e.text for e in root.findall("listen_host")] == ["127.0.0.1"]
    assert (root.findtext("http_port"), root.findtext("tcp_port")) == ("8124", "9001")
    users = server.node.folder / root.findtext("users_config")
    assert users.read_text() == "<clickhouse>secret</clickhouse>"


def test_users_and_data_are_their_owners_alone(server):
    assert server.node.folder.stat().st_mode & 0o777 == 0o700
    assert (server.node.folder / "users.xml").stat().st_mode & 0o777 == 0o600


def test_a_second_start_in_the_folder_takes_the_new_users(server):
    ClickHouse(server.node, "<new/>")
    assert (server.node.folder / "users.xml").read_text() == "<new/>"


def test_it_is_ready_only_when_it_answers(server, monkeypatch):
    class Answer(SimpleNamespace):
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

    answers = iter(
        [urllib.error.URLError("refused"), TimeoutError(), ConnectionResetError(), Answer(status=503), Answer(status=200)]
    )  # fmt: skip
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    server.wait_ready(7)
    assert next(answers, None) is None
    assert set(asked) == {"http://127.0.0.1:8124/ping"}
    assert server.child.seconds == 7


def test_a_restart_is_another_process_in_the_same_folder(server):
    first = server.child
    server.stop()
    assert first.stopped
    server.restart()
    assert server.child is not first
    assert server.child.command == first.command
    assert server.node.folder in server.child.command
