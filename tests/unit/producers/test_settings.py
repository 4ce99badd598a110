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


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"kafka_brokers": ""}, "KAFKA_BROKERS"),
        ({"kafka_brokers": "kafka:port"}, "KAFKA_BROKERS"),
        ({"kafka_brokers": "http://kafka:9092"}, "KAFKA_BROKERS"),
        ({"kafka_brokers": "kafka:9092,"}, "KAFKA_BROKERS"),
        ({"kafka_brokers": "kafka:99999"}, "KAFKA_BROKERS"),
        ({"topic": ""}, "TOPIC"),
        ({"topic": "a b/c"}, "TOPIC"),
        ({"topic": ".."}, "TOPIC"),
        ({"kafka_security_protocol": "SASL_SSL"}, "KAFKA_SASL_MECHANISM"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "KAFKA_SASL_USERNAME"),
        ({"kafka_sasl_mechanism": "PLAIN", "kafka_sasl_username": "u"}, "KAFKA_SASL_PASSWORD"),
        ({"spool_dir": ""}, "SPOOL_DIR"),
        ({"spool": "tape"}, "SPOOL"),
        ({"spool_megabytes": 0}, "SPOOL_MEGABYTES"),
        ({"spool_fsync_ms": -1}, "SPOOL_FSYNC_MS"),
        ({"close_seconds": "soon"}, "CLOSE_SECONDS"),
        ({"service": "x" * 5000}, "SERVICE"),
        ({"linger_ms": 1.5}, "LINGER_MS"),
        ({"disabled": "perhaps"}, "DISABLED"),
        ({"compresion": "lz4"}, "compresion"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once(wrong, name):
    with pytest.raises(SettingsError, match=name) as refused:
        ProducerSettings.load({}, **wrong)
    assert "\n" not in str(refused.value)


def test_every_setting_is_read_from_the_environment():
    found = ProducerSettings.load(
        {
            "ORGTRAIL_KAFKA_BROKERS": "a:1, [::1]:9092",
            "ORGTRAIL_SPOOL_DIR": "/var/spool/orgtrail",
            "ORGTRAIL_SPOOL_FSYNC_MS": "0",
            "ORGTRAIL_CLOSE_SECONDS": "2.5",
            "ORGTRAIL_DISABLED": "true",
        }
    )
    assert str(found.spool_dir) == "/var/spool/orgtrail"
    assert (found.spool_fsync_ms, found.close_seconds, found.disabled) == (0, 2.5, True)


def test_a_setting_that_lost_its_effect_is_said(caplog):
    ProducerSettings.load({"ORGTRAIL_KAFKA_BROKERS": "a:1", "ORGTRAIL_DELIVERY_TIMEOUT_S": "5"})
    assert "ORGTRAIL_DELIVERY_TIMEOUT_S no longer has any effect" in caplog.text


def test_a_default_broker_is_said(caplog, monkeypatch, tmp_path):
    from orgtrail import Actor, AuditProducer

    monkeypatch.setenv("ORGTRAIL_SPOOL_DIR", str(tmp_path))
    audit = AuditProducer()
    audit.emit("user.login", org_id="acme", actor=Actor(id="u"))
    audit.close(0)
    assert "ORGTRAIL_KAFKA_BROKERS is not set: events go to 127.0.0.1:9092" in caplog.text


def test_a_file_that_cannot_be_read_is_refused_at_once():
    from orgtrail import AuditProducer

    settings = ProducerSettings.load(
        {}, kafka_security_protocol="SSL", kafka_ca_file="/nowhere.pem"
    )
    with pytest.raises(SettingsError, match=r"KAFKA_CA_FILE: /nowhere\.pem cannot be read"):
        AuditProducer(settings)
