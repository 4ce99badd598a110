"""The whole stack: the settings of its processes, its order, and that nothing is left running."""

import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest

from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local import stack as module
from orgtrail_deploy.local.secrets import load_secrets
from orgtrail_deploy.local.settings import LocalSettings
from orgtrail_deploy.local.stack import Stack
from orgtrail_query_service.settings import QuerySettings


class Servers:
    brokers, clickhouse_host, clickhouse_port = "kafka.example:1", "clickhouse.example", 2

    def __init__(self, events):
        self.events, self.gone = events, None

    def start(self, _say, _progress):
        self.events.append("servers start")

    def stop(self):
        self.events.append("servers stop")

    def revive(self):
        return self.gone


@pytest.fixture
def events(monkeypatch):
    """What happens in order. A process named in ``fails`` is never ready."""
    did = []

    class Child:
        fails = ""

        def __init__(self, name, command, *, log, env):
            self.name, self.command, self.env, self.running = name, command, env, True
            did.append(f"{name} start")

        def wait_until(self, ready, _seconds):
            if self.name == self.fails or not ready():
                raise StackError(self.name)

        def stop(self):
            did.append(f"{self.name} stop")

        def revive(self):
            return None if self.running else f"{self.name} ended"

    monkeypatch.setattr(module, "Child", Child)
    monkeypatch.setattr(module, "_answers", lambda _url: True)
    monkeypatch.setattr(module, "require_free", lambda *_given: did.append("port"))
    monkeypatch.setattr(module, "migrate_topics", lambda *_a, **_k: did.append("topics"))
    monkeypatch.setattr(module, "migrate_tables", lambda *_a: did.append("tables"))
    return SimpleNamespace(did=did, child=Child)


def stack(tmp_path, events, **more):
    return Stack(tmp_path / "home", LocalSettings(), Servers(events.did), **more)


def start(one):
    one.start(lambda _text: None, lambda _done, _total: None)


def test_tables_and_topics_exist_before_a_process_needs_them(tmp_path, events):
    one = stack(tmp_path, events)
    start(one)
    assert events.did[:5] == ["port", "port", "servers start", "topics", "tables"]
    assert sorted(events.did[5:]) == ["the consumer start", "the query service start"]
    del events.did[:]
    one.stop()
    assert events.did[-1] == "servers stop"
    assert sorted(events.did[:-1]) == ["the consumer stop", "the query service stop"]


@pytest.mark.parametrize("name", ["the consumer", "the query service"])
def test_a_start_that_fails_leaves_nothing_running(tmp_path, events, name):
    events.child.fails = name
    with pytest.raises(StackError):
        start(stack(tmp_path, events))
    began = {text.removesuffix(" start") for text in events.did if text.endswith(" start")}
    ended = {text.removesuffix(" stop") for text in events.did if text.endswith(" stop")}
    assert began == ended


def test_a_process_that_ended_is_started_again(tmp_path, events):
    one = stack(tmp_path, events)
    assert one.revive() is None
    start(one)
    assert one.revive() is None
    one.servers.gone = "Kafka ended"
    assert one.revive() == "Kafka ended"
    one.query.running = False
    assert one.revive() == "the query service ended"


def test_its_settings_are_valid_for_each_process(tmp_path, events):
    one = stack(tmp_path, events, more={"ORGTRAIL_RATE_LIMIT": "7"})
    start(one)
    environment = one.environment()
    passwords = load_secrets(one.root).passwords
    consumer = ConsumerSettings.load(environment)
    assert consumer.kafka_brokers == "kafka.example:1"
    assert (consumer.clickhouse.host, consumer.clickhouse.port) == ("clickhouse.example", 2)
    assert consumer.clickhouse_writer_password.reveal() == passwords["audit_writer"]
    query = QuerySettings.load(environment)
    assert query.clickhouse_reader_password.reveal() == passwords["audit_reader"]
    assert query.clickhouse_export_password.reveal() == passwords["audit_export"]
    assert query.rate_limit == 7
    producer = one.producer_settings(service="accounts")
    assert (producer.kafka_brokers, producer.service) == ("kafka.example:1", "accounts")
    assert producer.spool_folder() == one.root / "spool"
    assert passwords["audit_migrator"] not in environment.values()


def test_the_consumer_can_be_started_again_with_other_settings(tmp_path, events):
    one = stack(tmp_path, events)
    start(one)
    again = one.start_consumer({"ORGTRAIL_WEB_PORT": "9", "ORGTRAIL_X": "y"})
    assert again is one.consumer
    assert (again.env["ORGTRAIL_WEB_PORT"], again.env["ORGTRAIL_X"]) == ("9", "y")
    assert again.env["ORGTRAIL_KAFKA_BROKERS"] == "kafka.example:1"


@pytest.mark.parametrize(
    ("outcome", "answers"),
    [(None, True), (404, True), (503, False), (urllib.error.URLError("refused"), False), (TimeoutError(), False)],
)  # fmt: skip
def test_a_process_answers_when_it_has_no_server_error(monkeypatch, outcome, answers):
    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

    def urlopen(url, timeout):
        if isinstance(outcome, int):
            raise urllib.error.HTTPError(url, outcome, "", {}, None)
        if outcome is not None:
            raise outcome
        return Answer()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    assert module._answers("http://127.0.0.1:1/") is answers
