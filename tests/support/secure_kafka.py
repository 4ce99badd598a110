"""A Kafka broker that trusts nobody: TLS only, SCRAM, client certificates or OAuth, and ACLs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from tests.support.certificates import Authority

from orgtrail_deploy.local.folders import jar_cache
from orgtrail_deploy.local.jars import ensure_jars
from orgtrail_deploy.local.kafka import Broker, BrokerNode, cluster_id, java
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.process import Child
from orgtrail_schemas.kafka_acls import Acl

ADMIN = "admin"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"


class SecureBroker(Broker):
    """Its listeners: ``scram``, ``mtls`` and, with an issuer, ``oauth``.

    Users sign in under one name each way: that of SCRAM is that of the certificate's subject.
    """

    def __init__(self, folder: Path, authority: Authority, issuer: dict[str, str] | None = None):
        self.scram_port, self.mtls_port, self.oauth_port, controller = free_ports(4)
        self.authority = authority
        self._issuer = issuer
        folder.mkdir(parents=True, exist_ok=True)
        authority.issue("broker", folder)
        self._stores = {"key": folder / "broker.store.pem", "ca": authority.file}
        self._stores["key"].write_text(
            (folder / "broker.key.pem").read_text() + (folder / "broker.pem").read_text()
        )
        node = BrokerNode(number=1, folder=folder, port=self.scram_port, controller_port=controller)
        jars = ensure_jars(jar_cache(), lambda *_: None)
        super().__init__(node, [node], jars)

    def settings(self, user: str, password: str) -> dict[str, str]:
        """librdkafka's, to sign in with SCRAM."""
        return {
            "bootstrap.servers": f"{LOOPBACK}:{self.scram_port}",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "ssl.ca.location": str(self.authority.file),
            "log_level": "0",
        }

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient(self.settings(ADMIN, ADMIN))

    def wait_ready(self, seconds: float = 60) -> None:
        def answers() -> bool:
            try:
                return bool(self.admin.list_topics(timeout=2).brokers)
            except KafkaException:
                return False

        self.child.wait_until(answers, seconds)

    def create_user(self, name: str, password: str) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(name, info, password.encode())
        for future in self.admin.alter_user_scram_credentials([change]).values():
            future.result(20)

    def grant(self, user: str, acls: Iterable[Acl]) -> None:
        """Give a user these rights and take all others away."""
        everything = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{user}", None,
            AclOperation.ANY, AclPermissionType.ANY,
        )  # fmt: skip
        for future in self.admin.delete_acls([everything]).values():
            future.result(20)
        wanted = [_binding(user, acl, operation) for acl in acls for operation in acl.operations]
        if wanted:
            for future in self.admin.create_acls(wanted).values():
                future.result(20)

    def _properties(self) -> str:
        listeners = {"SCRAM": self.scram_port, "MTLS": self.mtls_port}
        protocols = {"SCRAM": "SASL_SSL", "MTLS": "SSL", "CONTROLLER": "SSL"}
        more: dict[str, Any] = {}
        if self._issuer:
            listeners["OAUTH"], protocols["OAUTH"] = self.oauth_port, "SASL_SSL"
            own = "listener.name.oauth"
            validator = "org.apache.kafka.common.security.oauthbearer"
            more = {
                f"{own}.sasl.enabled.mechanisms": "OAUTHBEARER",
                f"{own}.oauthbearer.sasl.jaas.config": _OAUTH,
                f"{own}.oauthbearer.sasl.server.callback.handler.class":
                    f"{validator}.OAuthBearerValidatorCallbackHandler",
                f"{own}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": self._issuer["jwks_uri"],
                f"{own}.oauthbearer.sasl.oauthbearer.expected.audience": self._issuer["audience"],
                f"{own}.oauthbearer.sasl.oauthbearer.expected.issuer": self._issuer["issuer"],
            }  # fmt: skip
        addresses = [f"{name}://{LOOPBACK}:{port}" for name, port in listeners.items()]
        controller = f"CONTROLLER://{LOOPBACK}:{self.node.controller_port}"
        values = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": ",".join([*addresses, controller]),
            "advertised.listeners": ",".join(addresses),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "MTLS",
            "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in protocols.items()),
            "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{self.node.controller_port}",
            "log.dirs": self.node.folder / "data",
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._stores["key"],
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._stores["ca"],
            "ssl.principal.mapping.rules": r"RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.scram.scram-sha-512.sasl.jaas.config": _SCRAM,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": f"User:broker;User:{ADMIN}",
            **more,
        }
        return "".join(f"{key}={value}\n" for key, value in values.items())

    def _start(self, properties: Path) -> Child:
        allowed = self._issuer["jwks_uri"] if self._issuer else "none"
        return Child(
            "a secure Kafka broker",
            [
                java(), "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=info",
                f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={allowed}",
                "-cp", self._classpath, "kafka.Kafka", properties,
            ],
            log=self.node.folder / "kafka.log",
        )  # fmt: skip

    def _format(self, properties: Path) -> None:
        subprocess.run(
            [
                java(), "-XX:TieredStopAtLevel=1", "-cp", self._classpath,
                "kafka.tools.StorageTool", "format", "--standalone",
                "-t", cluster_id(self.node.controller_port), "-c", str(properties),
                "--add-scram", f"SCRAM-SHA-512=[name={ADMIN},password={ADMIN}]",
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip


def _binding(user: str, acl: Acl, operation: str) -> AclBinding:
    names = {"DescribeConfigs": "DESCRIBE_CONFIGS", "AlterConfigs": "ALTER_CONFIGS"}
    return AclBinding(
        ResourceType.TOPIC if acl.resource == "topic" else ResourceType.GROUP,
        acl.name,
        ResourcePatternType.PREFIXED if acl.prefix else ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[names.get(operation, operation.upper())],
        AclPermissionType.ALLOW,
    )
