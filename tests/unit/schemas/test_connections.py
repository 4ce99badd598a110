"""The connection settings of Kafka and ClickHouse, as each client takes them."""

import pytest

from orgtrail_schemas.connections import (
    ClickHouseSettings,
    KafkaSettings,
    ShardedClickHouseSettings,
)
from orgtrail_schemas.settings import Secret, SettingsError

SASL = {
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_mechanism": "PLAIN",
    "kafka_sasl_username": "svc",
    "kafka_sasl_password": "hunter2",
}
OAUTH = SASL | {
    "kafka_sasl_mechanism": "OAUTHBEARER",
    "kafka_oauth_token_url": "https://id.example/token",
}


@pytest.mark.parametrize(
    "brokers",
    ["kafka", "kafka:1", "a:65535,b:9092", "a:1 , b", "[::1]:9092", "[2001:db8::1]", "10.0.0.1:9"],
)
def test_brokers_are_hosts_with_or_without_a_port(brokers):
    assert KafkaSettings.load({"ORGTRAIL_KAFKA_BROKERS": brokers}).kafka_brokers == brokers


@pytest.mark.parametrize(
    "brokers",
    [
        " ", ",", "a:1,", "a:0", "a:65536", "a:123456", "a:", ":9092", "a:b", "::1", "[::1",
        "[]:1", "kafka://a:1", "a:1/x", "a b:1", "a:1;b:2", "a:-1",
    ],
)  # fmt: skip
def test_brokers_that_cannot_work_are_refused(brokers):
    with pytest.raises(SettingsError, match=r"^ORGTRAIL_KAFKA_BROKERS: must be host:port, not "):
        KafkaSettings.load({"ORGTRAIL_KAFKA_BROKERS": brokers})


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        *((SASL, name) for name in ("sasl_mechanism", "sasl_username", "sasl_password")),
        *((OAUTH, name) for name in ("sasl_username", "sasl_password", "oauth_token_url")),
        (SASL | {"kafka_security_protocol": "SASL_PLAINTEXT"}, "sasl_mechanism"),
    ],
)
def test_what_sasl_needs_is_required(given, missing):
    assert KafkaSettings.load({}, **given)
    for lacking in (
        {k: v for k, v in given.items() if k != f"kafka_{missing}"},
        given | {f"kafka_{missing}": None},
    ):
        with pytest.raises(SettingsError) as refused:
            KafkaSettings.load({}, prefix="X_", **lacking)
        assert str(refused.value).startswith(f"X_KAFKA_{missing.upper()}: is required by ")
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["sasl_username", "sasl_password", "oauth_token_url"])
def test_what_sasl_needs_must_not_be_empty(name):
    with pytest.raises(SettingsError, match=rf"^ORGTRAIL_KAFKA_{name.upper()}: is required by "):
        KafkaSettings.load({}, **OAUTH | {f"kafka_{name}": ""})


@pytest.mark.parametrize("name", ["KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM"])
def test_a_protocol_that_does_not_exist_is_refused(name):
    with pytest.raises(SettingsError, match=rf"^ORGTRAIL_{name}: "):
        KafkaSettings.load({f"ORGTRAIL_{name}": "TELNET"})


@pytest.mark.parametrize("name", ["KAFKA_CA_FILE", "KAFKA_CERTIFICATE_FILE", "KAFKA_KEY_FILE"])
def test_a_file_that_cannot_be_read_is_found_by_check_files(name, tmp_path):
    (tmp_path / "there.pem").touch()
    KafkaSettings.load({f"ORGTRAIL_{name}": str(tmp_path / "there.pem")}).check_files()
    settings = KafkaSettings.load({f"ORGTRAIL_{name}": str(tmp_path / "gone.pem")})
    with pytest.raises(SettingsError, match=rf"^ORGTRAIL_{name}: .*gone\.pem cannot be read$"):
        settings.check_files()


def test_librdkafka_gets_nothing_that_is_not_set():
    assert KafkaSettings.load({}).librdkafka() == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "PLAINTEXT",
    }


def test_librdkafka_gets_client_certificates_under_its_own_names():
    names = ("ca", "certificate", "key")
    files = {f"kafka_{name}_file": f"/{name}.pem" for name in names}
    found = KafkaSettings.load({}, kafka_security_protocol="SSL", **files).librdkafka()
    assert [found[f"ssl.{name}.location"] for name in names] == [
        "/ca.pem",
        "/certificate.pem",
        "/key.pem",
    ]


def test_librdkafka_gets_the_client_of_oauth_and_no_sasl_user():
    found = KafkaSettings.load({}, kafka_oauth_scope="kafka", **OAUTH).librdkafka()
    assert {k: v for k, v in found.items() if k.startswith("sasl")} == {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": "svc",
        "sasl.oauthbearer.client.secret": "hunter2",
        "sasl.oauthbearer.token.endpoint.url": "https://id.example/token",
        "sasl.oauthbearer.scope": "kafka",
    }


def test_librdkafka_accepts_the_configuration():
    from confluent_kafka import Producer

    nowhere = {"kafka_brokers": "127.0.0.1:9"}
    oauth = OAUTH | {"kafka_oauth_token_url": "http://127.0.0.1:9/token"}
    for given in ({}, SASL, oauth, SASL | {"kafka_sasl_mechanism": "SCRAM-SHA-512"}):
        Producer(KafkaSettings.load({}, **given | nowhere).librdkafka() | {"log_level": 0})


def test_clickhouse_is_connected_to_with_the_password_of_this_moment(tmp_path):
    file, ca = tmp_path / "password", tmp_path / "ca.pem"
    file.write_text("old")
    ca.touch()
    settings = ClickHouseSettings.load({"X_CA_FILE": str(ca), "X_SECURE": "yes"}, prefix="X_")
    secret = Secret(file=file)
    file.write_text("new")
    assert settings.connection("writer", secret) == {
        "host": "127.0.0.1",
        "port": 8123,
        "secure": True,
        "ca_cert": str(ca),
        "username": "writer",
        "password": "new",
        "autogenerate_session_id": False,
    }
    assert ClickHouseSettings().connection("writer", secret)["ca_cert"] is None


def test_a_ca_file_that_cannot_be_read_is_refused_when_clickhouse_settings_are_loaded():
    with pytest.raises(SettingsError, match=r"^X_CA_FILE: /gone\.pem cannot be read$"):
        ClickHouseSettings.load({"X_CA_FILE": "/gone.pem"}, prefix="X_")


def test_without_shards_there_is_one_server():
    settings = ShardedClickHouseSettings.load({"X_HOST": "store", "X_PORT": "1"}, prefix="X_")
    assert [(server.host, server.port) for server in settings.servers()] == [("store", 1)]


def test_shards_keep_their_order_and_share_how_they_are_connected_to(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.touch()
    environment = {"X_SHARDS": "[::1]:3,b:1,a:2", "X_SECURE": "yes", "X_CA_FILE": str(ca)}
    servers = ShardedClickHouseSettings.load(environment, prefix="X_").servers()
    assert [(server.host, server.port) for server in servers] == [("::1", 3), ("b", 1), ("a", 2)]
    assert all(server.secure and server.ca_file == ca for server in servers)


@pytest.mark.parametrize("shards", ["a", "a:0", "a:65536", "http://a:1", "a:1,a:1", "a:1;b:1"])
def test_shards_that_are_no_addresses_are_refused(shards):
    with pytest.raises(SettingsError, match=r"^X_SHARDS: [^\n]+$"):
        ShardedClickHouseSettings.load({"X_SHARDS": shards}, prefix="X_")
