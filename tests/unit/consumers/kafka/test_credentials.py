"""Faust connects as the settings say: in plaintext, over TLS, or with SASL."""

import ssl
from contextlib import suppress
from pathlib import Path

import faust
import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from tests.support.certificates import Authority

from orgtrail_consumers.kafka.credentials import credentials
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_schemas.settings import SettingsError


def load(protocol, **given):
    return ConsumerSettings.load({}, kafka_security_protocol=protocol, **given)


def sasl(protocol, mechanism="SCRAM-SHA-512", **given):
    password = {} if "kafka_sasl_password_file" in given else {"kafka_sasl_password": "hunter2"}
    return load(
        protocol, kafka_sasl_mechanism=mechanism, kafka_sasl_username="svc", **password, **given
    )


def test_plaintext_has_no_credentials():
    assert credentials(load("PLAINTEXT")) is None


def test_tls_verifies_the_broker():
    found = credentials(load("SSL"))
    assert isinstance(found, faust.SSLCredentials)
    assert found.context.verify_mode == ssl.CERT_REQUIRED
    assert found.context.check_hostname
    usual = ssl.create_default_context()
    for name in ("verify_flags", "options", "minimum_version"):
        assert getattr(found.context, name) == getattr(usual, name)


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafkas_client_gets_protocol_mechanism_user_and_password(protocol, mechanism):
    given = credentials_to_aiokafka_auth(credentials(sasl(protocol, mechanism)))
    context = given.pop("ssl_context")
    assert given == {
        "security_protocol": protocol,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "svc",
        "sasl_plain_password": "hunter2",
    }
    assert (context is not None) == (protocol == "SASL_SSL")


def test_a_password_is_read_from_its_file_at_this_moment(tmp_path):
    file = tmp_path / "password"
    settings = sasl("SASL_SSL", kafka_sasl_password_file=file)
    with pytest.raises(SettingsError, match="KAFKA_SASL_PASSWORD_FILE"):
        credentials(settings)
    file.write_text("rotated\n")
    assert credentials(settings).password == "rotated"


@pytest.mark.parametrize("name", ["ca", "certificate"])
@pytest.mark.parametrize("content", [None, b"not a certificate"])
def test_a_file_that_is_not_a_certificate_keeps_the_worker_from_starting(tmp_path, name, content):
    file = tmp_path / "x.pem"
    if content is not None:
        file.write_bytes(content)
    # orgtrail consume prints OSError, which ssl.SSLError is, in one line.
    with pytest.raises(OSError, match=r"\S"):
        credentials(load("SSL", **{f"kafka_{name}_file": file}))


def test_only_the_authorities_of_the_file_are_trusted(tmp_path):
    import certifi

    everyone = ssl.create_default_context(cafile=certifi.where()).cert_store_stats()["x509_ca"]
    one = tmp_path / "one.pem"
    end = "-----END CERTIFICATE-----\n"
    text = Path(certifi.where()).read_text("utf-8")
    one.write_text(text[: text.index(end) + len(end)])
    trusted = credentials(load("SSL", kafka_ca_file=one)).context.cert_store_stats()["x509_ca"]
    assert (trusted, everyone > 1) == (1, True)


def handshake(client_context, server_context):
    """A connection without a network; the serial number of the client's certificate."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return server.getpeercert()["serialNumber"]


def test_a_client_certificate_that_was_renewed_is_used_by_the_next_connection(tmp_path):
    authority = Authority(tmp_path / "authority")
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(*authority.issue("broker", tmp_path))
    of_server.load_verify_locations(authority.file)
    of_server.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.issue("consumer", tmp_path)
    files = {"ca": authority.file, "certificate": certificate, "key": key}
    context = credentials(
        load("SSL", **{f"kafka_{name}_file": file for name, file in files.items()})
    ).context
    first = handshake(context, of_server)
    assert handshake(context, of_server) == first
    authority.issue("consumer", tmp_path)
    assert handshake(context, of_server) != first
