"""``orgtrail consume``: what keeps a worker from starting is one line, and its status is the exit's."""

from typing import ClassVar

import pytest

from orgtrail_consumers import app, cli, process
from orgtrail_consumers.kafka import topic
from orgtrail_schemas.settings import SettingsError


class Worker:
    """Runs until ``ends`` is raised, if it is set. What happened is in ``log``."""

    ends = None
    log: ClassVar[list] = []

    def __init__(self, application, **options):
        self.log.append((application, options))

    def execute_from_commandline(self):
        if self.ends is not None:
            raise self.ends


@pytest.fixture
def log(monkeypatch):
    """What was prepared and started, in order."""
    monkeypatch.setattr(Worker, "log", [])
    monkeypatch.setattr(topic, "validate_topic", lambda settings: 7_000)
    monkeypatch.setattr(app, "make_app", lambda settings, margin: (settings.topic, margin))
    monkeypatch.setattr(process, "prepare_process", lambda: Worker.log.append("prepared"))
    monkeypatch.setattr(process, "Worker", Worker)
    return Worker.log


def test_the_process_is_prepared_before_a_worker_of_the_topic_starts(log, monkeypatch):
    monkeypatch.setenv("ORGTRAIL_TOPIC", "t")
    assert cli.consume() == 0
    prepared, (application, options) = log
    assert prepared == "prepared"
    assert application == ("t", 7_000)
    assert options == {}


@pytest.mark.parametrize(
    ("ended", "status"), [(SystemExit(0), 0), (SystemExit(None), 0), (SystemExit(3), 3), (None, 0)]
)
def test_the_status_is_the_workers(log, monkeypatch, ended, status):
    monkeypatch.setattr(Worker, "ends", ended)
    assert cli.consume() == status


def test_a_wrong_setting_starts_nothing(log, monkeypatch, capsys):
    monkeypatch.setenv("ORGTRAIL_BATCH_RECORDS", "0")
    assert cli.consume() == 1
    assert log == []
    assert capsys.readouterr().err.startswith("orgtrail consume: ORGTRAIL_BATCH_RECORDS: ")


@pytest.mark.parametrize(
    "error",
    [
        topic.TopicError("topic t does not exist: run orgtrail migrate"),
        OSError("disk"),
        SettingsError("ORGTRAIL_KAFKA_SASL_PASSWORD_FILE: /x cannot be read"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(log, monkeypatch, capsys, error):
    def refuse(settings):
        raise error

    monkeypatch.setattr(topic, "validate_topic", refuse)
    assert cli.consume() == 1
    assert log == []
    assert capsys.readouterr().err == f"orgtrail consume: {error}\n"


def test_a_file_of_the_settings_that_cannot_be_read_is_one_line(log, monkeypatch, capsys):
    def refuse(settings, margin):
        raise FileNotFoundError(2, "No such file or directory", "/gone.mmdb")

    monkeypatch.setattr(app, "make_app", refuse)
    assert cli.consume() == 1
    assert "/gone.mmdb" in capsys.readouterr().err


def test_a_defect_is_not_hidden(log, monkeypatch):
    def broken(settings):
        raise KeyError("bug")

    monkeypatch.setattr(topic, "validate_topic", broken)
    with pytest.raises(KeyError):
        cli.consume()
