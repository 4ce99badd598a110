import pytest

from orgtrail import ProducerSettings, SettingsError


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("ORGTRAIL_KAFKA_BROKERS", "kafka-1:9092")
    monkeypatch.setenv("ORGTRAIL_COMPRESSION", "zstd")
    settings = ProducerSettings.load()
    assert settings.librdkafka()["bootstrap.servers"] == "kafka-1:9092"
    assert settings.compression == "zstd"


def test_a_wrong_value_is_named_in_one_line():
    with pytest.raises(SettingsError, match=r"^ORGTRAIL_COMPRESSION: [^\n]+$"):
        ProducerSettings.load(compression="rar")


def test_tls_and_sasl_reach_librdkafka(tmp_path):
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    settings = ProducerSettings.load(
        kafka_security_protocol="SASL_SSL",
        kafka_ca_file="/ca.pem",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="svc",
        kafka_sasl_password_file=password,
    )
    assert settings.librdkafka() == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": "/ca.pem",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "svc",
        "sasl.password": "s3cret",
    }


def test_a_password_is_never_shown():
    settings = ProducerSettings.load(kafka_sasl_password="s3cret")
    assert "s3cret" not in repr(settings) + str(settings)


def test_a_password_file_that_is_missing_is_named():
    settings = ProducerSettings.load(kafka_sasl_password_file="/nowhere")
    with pytest.raises(SettingsError, match="KAFKA_SASL_PASSWORD_FILE"):
        settings.librdkafka()
