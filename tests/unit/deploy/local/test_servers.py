"""Both servers of the local stack: started in order, each port checked, what ended is named."""

from types import SimpleNamespace

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local import servers as module
from orgtrail_deploy.local.secrets import load_secrets
from orgtrail_deploy.local.servers import LocalServers
from orgtrail_deploy.local.settings import LocalSettings

SETTINGS = LocalSettings(
    kafka_port=1, kafka_controller_port=2, clickhouse_http_port=3, clickhouse_tcp_port=4
)


@pytest.fixture
def did(monkeypatch):
    """What happens in order; ``busy`` is a port that is in use."""
    events = []

    def require_free(port, _what, setting):
        events.append(("port", port, setting))
        if port == state["busy"]:
            raise StackError(setting)

    class Server:
        def __init__(self, name, *given):
            self.name, self.given, self.child = name, given, SimpleNamespace(revive=lambda: None)
            events.append(("start", name))

        def wait_ready(self):
            events.append(("ready", self.name))

        def stop(self):
            events.append(("stop", self.name))

    state = {"busy": None}
    monkeypatch.setattr(module, "require_free", require_free)
    monkeypatch.setattr(module, "ensure_jars", lambda *_given: events.append(("jars",)) or ["jar"])
    monkeypatch.setattr(module, "Broker", lambda *given: Server("Kafka", *given))
    monkeypatch.setattr(module, "ClickHouse", lambda *given: Server("ClickHouse", *given))
    return SimpleNamespace(events=events, state=state)


def started(tmp_path):
    servers = LocalServers(tmp_path, SETTINGS)
    servers.start(lambda _text: None, lambda _done, _total: None)
    return servers


def test_ports_are_checked_before_anything_starts_and_both_are_ready_at_the_end(did, tmp_path):
    started(tmp_path)
    kinds = [event[0] for event in did.events]
    assert kinds == ["port"] * 4 + ["jars"] + ["start"] * 2 + ["ready"] * 2
    assert {event[1:] for event in did.events[:4]} == {
        (1, "ORGTRAIL_UP_KAFKA_PORT"),
        (2, "ORGTRAIL_UP_KAFKA_CONTROLLER_PORT"),
        (3, "ORGTRAIL_UP_CLICKHOUSE_HTTP_PORT"),
        (4, "ORGTRAIL_UP_CLICKHOUSE_TCP_PORT"),
    }


@pytest.mark.parametrize("port", [1, 2, 3, 4])
def test_a_port_in_use_stops_the_start_before_a_download(did, tmp_path, port):
    did.state["busy"] = port
    with pytest.raises(StackError):
        started(tmp_path)
    assert {event[0] for event in did.events} == {"port"}


def test_each_server_gets_its_ports_and_folder(did, tmp_path):
    servers = started(tmp_path)
    node, users = servers.clickhouse.given
    assert (node.folder, node.http_port, node.tcp_port) == (tmp_path / "clickhouse", 3, 4)
    broker, cluster, jars = servers.broker.given
    assert (broker.folder, broker.port, broker.controller_port) == (tmp_path / "kafka", 1, 2)
    assert (cluster, jars) == ([broker], ["jar"])
    assert servers.brokers == "127.0.0.1:1"
    assert (servers.clickhouse_host, servers.clickhouse_port) == ("127.0.0.1", 3)
    assert not any(password in users for password in load_secrets(tmp_path).passwords.values())


@pytest.mark.parametrize("attribute", ["broker", "clickhouse"])
def test_a_server_that_ended_is_started_again(did, tmp_path, attribute):
    servers = started(tmp_path)
    assert servers.revive() is None
    getattr(servers, attribute).child.revive = lambda: "it ended"
    assert servers.revive() == "it ended"


def test_both_are_stopped(did, tmp_path):
    servers = started(tmp_path)
    servers.stop()
    assert sorted(did.events[-2:]) == [("stop", "ClickHouse"), ("stop", "Kafka")]


def test_servers_that_never_started_stop_and_are_not_revived(did, tmp_path):
    servers = LocalServers(tmp_path, SETTINGS)
    servers.stop()
    assert servers.revive() is None
    assert did.events == []


@pytest.mark.parametrize("fenced", [True, False])
def test_a_system_without_a_fence_is_said(did, tmp_path, monkeypatch, fenced):
    monkeypatch.setattr(module, "has_fence", lambda: fenced)
    said = []
    LocalServers(tmp_path, SETTINGS).start(said.append, lambda _done, _total: None)
    assert (module.NO_FENCE in said) == (not fenced)
