"""``orgtrail migrate``: settings and options reach Kafka and ClickHouse; passwords stay unseen."""

import pytest

from orgtrail_deploy import migrate as module
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.migrate import MigrateSettings, migrate


@pytest.fixture
def asked(monkeypatch):
    """What the topics and the tables are migrated with."""
    seen = {}

    def topics(kafka, **options):
        seen["topics"] = {**kafka, **options}
        return ["a", "b"]

    def tables(clickhouse, user, password, cluster, *, replicated):
        seen["tables"] = {
            "host": clickhouse.host,
            "port": clickhouse.port,
            "secure": clickhouse.secure,
            "user": user,
            "password": password.reveal(),
            "cluster": cluster,
            "replicated": replicated,
        }
        return 3

    monkeypatch.setattr(module, "migrate_topics", topics)
    monkeypatch.setattr(module, "migrate_tables", tables)
    return seen


def test_settings_come_from_the_environment(asked, monkeypatch, capsys):
    for name, value in {
        "KAFKA_BROKERS": "kafka.example:9092",
        "CLICKHOUSE_HOST": "clickhouse.example",
        "CLICKHOUSE_PORT": "8443",
        "CLICKHOUSE_SECURE": "yes",
        "CLICKHOUSE_MIGRATOR_USER": "mia",
        "CLICKHOUSE_MIGRATOR_PASSWORD": "s3cret",
    }.items():
        monkeypatch.setenv(f"ORGTRAIL_{name}", value)
    assert migrate() == 0
    assert asked["topics"]["bootstrap.servers"] == "kafka.example:9092"
    assert asked["tables"] == {
        "host": "clickhouse.example",
        "port": 8443,
        "secure": True,
        "user": "mia",
        "password": "s3cret",
        "cluster": None,
        "replicated": True,
    }
    printed = capsys.readouterr().out
    assert " 2 " in printed
    assert " 3 " in printed
    assert "s3cret" not in printed


def test_options_override_settings(asked, monkeypatch):
    for name, value in {"KAFKA_BROKERS": "a:1", "CLICKHOUSE_HOST": "a", "CLICKHOUSE_PORT": "1",
                        "CLICKHOUSE_SECURE": "yes", "CLICKHOUSE_MIGRATOR_USER": "a",
                        "CLICKHOUSE_CLUSTER": "a"}.items():  # fmt: skip
        monkeypatch.setenv(f"ORGTRAIL_{name}", value)
    migrate(
        kafka_brokers="b:2",
        partitions=12,
        replication=3,
        retention_days=14,
        clickhouse_host="b",
        clickhouse_port=2,
        clickhouse_secure=False,
        clickhouse_user="b",
        cluster="c",
        replicated=False,
    )
    topics, tables = asked["topics"], asked["tables"]
    assert topics["bootstrap.servers"] == "b:2"
    assert (topics["partitions"], topics["replication"], topics["retention_days"]) == (12, 3, 14)
    names = ("host", "port", "secure", "user", "cluster", "replicated")
    assert [tables[name] for name in names] == ["b", 2, False, "b", "c", False]


@pytest.mark.parametrize(
    ("options", "migrated"), [({"topics": False}, ["tables"]), ({"tables": False}, ["topics"])]
)
def test_one_half_can_be_left_out(asked, options, migrated):
    migrate(**options)
    assert list(asked) == migrated


@pytest.mark.parametrize(
    ("name", "value"),
    [("KAFKA_BROKERS", "http://kafka"), ("CLICKHOUSE_PORT", "0"), ("CLICKHOUSE_SECURE", "perhaps"),
     ("KAFKA_SECURITY_PROTOCOL", "TLS"), ("CLICKHOUSE_CA_FILE", "/nowhere/ca.pem")],
)  # fmt: skip
def test_a_wrong_setting_is_named_before_anything_is_migrated(asked, monkeypatch, name, value):
    monkeypatch.setenv(f"ORGTRAIL_{name}", value)
    with pytest.raises(StackError, match=rf"^ORGTRAIL_{name}: [^\n]+$"):
        migrate()
    assert asked == {}


def test_a_kafka_password_file_that_is_missing_is_named(asked, monkeypatch):
    for name, value in {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN",
                        "SASL_USERNAME": "u", "SASL_PASSWORD_FILE": "/nowhere"}.items():  # fmt: skip
        monkeypatch.setenv(f"ORGTRAIL_KAFKA_{name}", value)
    with pytest.raises(StackError, match="ORGTRAIL_KAFKA_SASL_PASSWORD_FILE"):
        migrate()
    assert asked == {}


def test_settings_do_not_show_the_password():
    settings = MigrateSettings.load(clickhouse_migrator_password="s3cret")
    assert "s3cret" not in repr(settings)
