"""The consumer's settings from the environment, and what the operator is told of a wrong one."""

from pathlib import Path

import pytest

from orgtrail_consumers.settings import ConsumerSettings, read_settings
from orgtrail_schemas.settings import SettingsError


def load(**variables):
    return ConsumerSettings.load({f"ORGTRAIL_{k}": v for k, v in variables.items()})


def test_the_settings_of_kafka_and_clickhouse_are_read_beside_the_own():
    settings = load(
        KAFKA_BROKERS="kafka:1",
        TOPIC="t",
        CLICKHOUSE_HOST="store",
        CLICKHOUSE_SECURE="yes",
        CLICKHOUSE_WRITER_USER="w",
        CLICKHOUSE_WRITER_PASSWORD="hunter2",
    )
    assert (settings.kafka_brokers, settings.topic) == ("kafka:1", "t")
    assert (settings.clickhouse.host, settings.clickhouse.secure) == ("store", True)
    assert settings.clickhouse_writer_user == "w"
    assert settings.clickhouse_writer_password.reveal() == "hunter2"
    assert "hunter2" not in repr(settings)


def test_the_password_of_the_writer_may_be_in_a_file(tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    settings = load(CLICKHOUSE_WRITER_PASSWORD_FILE=str(tmp_path / "password"))
    assert settings.clickhouse_writer_password.reveal() == "hunter2"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BREAKER_PERCENT", "101"), ("BREAKER_PERCENT", "-1"), ("BREAKER_RECORDS", "0"),
        ("LOST_RANGES", "ignore"), ("BATCH_RECORDS", "0"), ("BATCH_KILOBYTES", "0"),
        ("FETCH_KILOBYTES", "63"), ("SESSION_TIMEOUT_S", "0.5"), ("MAX_POLL_INTERVAL_S", "0"),
        ("IDLE_MARGIN_S", "-0.1"), ("WEB_PORT", "0"), ("WEB_PORT", "65536"),
        ("CLICKHOUSE_PORT", "http"), ("CLICKHOUSE_CA_FILE", "/gone.pem"), ("KAFKA_BROKERS", ":"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_work_is_refused_by_name(name, text):
    with pytest.raises(SettingsError, match=rf"^ORGTRAIL_{name}: [^\n]+$"):
        load(**{name: text})


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({}, Path(".orgtrail/consumer/dead-letters").absolute()),
        ({"DATA_DIR": "/data"}, Path("/data/dead-letters")),
        ({"DATA_DIR": "/data", "DEAD_LETTER_DIR": "/letters"}, Path("/letters")),
    ],
)
def test_rejected_dead_letters_are_in_the_data_folder_or_their_own(given, folder):
    assert load(**given).local_dead_letters.absolute() == folder


def test_a_wrong_setting_is_printed_in_one_line_after_the_command(monkeypatch, capsys):
    monkeypatch.setenv("ORGTRAIL_KAFKA_SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("ORGTRAIL_BATCH_RECORDS", "many")
    assert read_settings("dlq list") is None
    printed = capsys.readouterr()
    assert printed.err.startswith("orgtrail dlq list: ORGTRAIL_BATCH_RECORDS: ")
    assert printed.err.count("\n") == 1
    assert "hunter2" not in printed.err
    assert printed.out == ""


def test_a_certificate_that_cannot_be_read_is_found_before_anything_starts(monkeypatch, capsys):
    monkeypatch.setenv("ORGTRAIL_KAFKA_CA_FILE", "/gone.pem")
    assert read_settings("consume") is None
    assert capsys.readouterr().err == (
        "orgtrail consume: ORGTRAIL_KAFKA_CA_FILE: /gone.pem cannot be read\n"
    )
    monkeypatch.delenv("ORGTRAIL_KAFKA_CA_FILE")
    assert read_settings("consume").topic == "audit.events.v1"
