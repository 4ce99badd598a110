"""The connection settings for Kafka and ClickHouse, shared by all processes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import field

from orgtrail_schemas.settings import PREFIX, Secret, Settings, about, require_readable, wrong

_HOST_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/,\[\]]+)(?::(\d{1,5}))?")


def _require_address(variable: str, text: str, default_port: int = 0) -> None:
    """Check that it is host:port; the port may be left out if there is a default."""
    match = _HOST_PORT.fullmatch(text)
    if match is None or int(match[1] or default_port) not in range(1, 65_536):
        raise wrong(variable, f"must be host:port, not {text!r}")


class KafkaSettings(Settings, frozen=True, kw_only=True):
    """How to connect to Kafka: in plaintext or over TLS, with SASL or a client certificate."""

    kafka_brokers: Annotated[
        str, about("Kafka's bootstrap servers: host:port, comma-separated.")
    ] = "127.0.0.1:9092"
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        about("PLAINTEXT, SSL (TLS), SASL_PLAINTEXT or SASL_SSL."),
    ] = "PLAINTEXT"
    kafka_ca_file: Annotated[Path | None, about("CA certificates (PEM) for TLS.")] = None
    kafka_certificate_file: Annotated[Path | None, about("Client certificate (PEM).")] = None
    kafka_key_file: Annotated[Path | None, about("Key of the client certificate (PEM).")] = None
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None,
        about("SASL mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."),
    ] = None
    kafka_sasl_username: Annotated[
        str | None, about("SASL user; for OAUTHBEARER the client ID.")
    ] = None
    kafka_sasl_password: Annotated[
        Secret | None, about("SASL password; for OAUTHBEARER the client secret.")
    ] = None
    kafka_oauth_token_url: Annotated[
        str | None, about("OAUTHBEARER: the token endpoint (client credentials).")
    ] = None
    kafka_oauth_scope: Annotated[str | None, about("OAUTHBEARER: the scope to request.")] = None

    def check(self, prefix: str) -> None:
        """Check that the settings are valid and complete.

        Raises:
            SettingsError: a value is invalid or missing.
        """
        super().check(prefix)
        for broker in self.kafka_brokers.split(","):
            _require_address(f"{prefix}KAFKA_BROKERS", broker.strip(), 9092)
        if self.kafka_security_protocol.startswith("SASL") and self.kafka_sasl_mechanism is None:
            raise wrong(
                f"{prefix}KAFKA_SASL_MECHANISM", f"is required by {self.kafka_security_protocol}"
            )
        if self.kafka_sasl_mechanism is None:
            return
        required = {
            "KAFKA_SASL_USERNAME": self.kafka_sasl_username,
            "KAFKA_SASL_PASSWORD": self.kafka_sasl_password,
        }
        if self.kafka_sasl_mechanism == "OAUTHBEARER":
            required["KAFKA_OAUTH_TOKEN_URL"] = self.kafka_oauth_token_url
        for name, value in required.items():
            if not value:
                raise wrong(prefix + name, f"is required by {self.kafka_sasl_mechanism}")

    def check_files(self, prefix: str = PREFIX) -> None:
        """Check that all configured files can be read.

        Raises:
            SettingsError: a file cannot be read.
        """
        for name in ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file"):
            require_readable(prefix + name.upper(), getattr(self, name))

    def librdkafka(self) -> dict[str, str]:
        """The connection settings under librdkafka's names.

        Raises:
            SettingsError: the password's file cannot be read.
        """
        password = self.kafka_sasl_password.reveal() if self.kafka_sasl_password else None
        wanted = {
            "bootstrap.servers": self.kafka_brokers,
            "security.protocol": self.kafka_security_protocol,
            "ssl.ca.location": self.kafka_ca_file,
            "ssl.certificate.location": self.kafka_certificate_file,
            "ssl.key.location": self.kafka_key_file,
            "sasl.mechanism": self.kafka_sasl_mechanism,
        }
        if self.kafka_sasl_mechanism == "OAUTHBEARER":
            wanted |= {
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.client.id": self.kafka_sasl_username,
                "sasl.oauthbearer.client.secret": password,
                "sasl.oauthbearer.token.endpoint.url": self.kafka_oauth_token_url,
                "sasl.oauthbearer.scope": self.kafka_oauth_scope,
            }
        else:
            wanted |= {"sasl.username": self.kafka_sasl_username, "sasl.password": password}
        return {key: str(value) for key, value in wanted.items() if value is not None}


class ClickHouseSettings(Settings, frozen=True, kw_only=True):
    """Where ClickHouse is. The user that connects is a setting of each process."""

    host: Annotated[str, about("ClickHouse's host.")] = "127.0.0.1"
    port: Annotated[int, about("ClickHouse's HTTP port.", ge=1, le=65_535)] = 8123
    secure: Annotated[bool, about("Whether to connect to ClickHouse over HTTPS.")] = False
    ca_file: Annotated[
        Path | None, about("CA certificates (PEM) for HTTPS; by default the system's.")
    ] = None

    def check(self, prefix: str) -> None:
        """Check that the CA file can be read, if it is set.

        Raises:
            SettingsError: the file cannot be read.
        """
        super().check(prefix)
        require_readable(f"{prefix}CA_FILE", self.ca_file)

    def connection(self, user: str, password: Secret) -> dict[str, Any]:
        """The arguments of clickhouse-connect's clients.

        Raises:
            SettingsError: the password's file cannot be read.
        """
        return {
            "host": self.host,
            "port": self.port,
            "secure": self.secure,
            "ca_cert": None if self.ca_file is None else str(self.ca_file),
            "username": user,
            "password": password.reveal(),
            "autogenerate_session_id": False,
        }


class ShardedClickHouseSettings(ClickHouseSettings, frozen=True, kw_only=True):
    """Where ClickHouse is: one server, or several shards that share the organizations."""

    shards: Annotated[
        list[str],
        about(
            "The shards of a ClickHouse cluster: host:port, comma-separated, the same in all"
            " processes and in an order that never changes. Empty: one server, at host and port."
        ),
    ] = field(default_factory=list)

    def check(self, prefix: str) -> None:
        """Check the addresses of the shards too.

        Raises:
            SettingsError: one is no host and port, or is named twice.
        """
        super().check(prefix)
        for shard in self.shards:
            _require_address(f"{prefix}SHARDS", shard)
        if len(set(self.shards)) < len(self.shards):
            raise wrong(f"{prefix}SHARDS", "names a server twice")

    def servers(self) -> list[ClickHouseSettings]:
        """Each shard's server, in their order (``shards.shard_of``)."""
        if not self.shards:
            return [self]
        servers: list[ClickHouseSettings] = []
        for shard in self.shards:
            host, _, port = shard.rpartition(":")
            servers.append(
                ClickHouseSettings(
                    host=host.strip("[]"),
                    port=int(port),
                    secure=self.secure,
                    ca_file=self.ca_file,
                )
            )
        return servers
