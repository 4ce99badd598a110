"""The query service's settings, read once at its start."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class QuerySettings(BaseSettings):
    """Each is read from ``ORGTRAIL_`` and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix="ORGTRAIL_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8080, description="The port to listen on.")
    clickhouse_host: str = Field("127.0.0.1", description="ClickHouse's host.")
    clickhouse_port: int = Field(8123, description="ClickHouse's HTTP port.")
    clickhouse_secure: bool = Field(False, description="Whether to use HTTPS to ClickHouse.")
    clickhouse_reader_user: str = Field("audit_reader", description="The user that reads pages.")
    clickhouse_reader_password: SecretStr = Field(
        SecretStr(""), description="Password of the user that reads pages."
    )
    clickhouse_export_user: str = Field("audit_export", description="The user that reads exports.")
    clickhouse_export_password: SecretStr = Field(
        SecretStr(""), description="Password of the user that reads exports."
    )
    jwt_issuer: str = Field(description="Who issues tokens: their iss claim.")
    jwt_audience: str = Field(
        "orgtrail", description="For whom tokens are issued: their aud claim."
    )
    jwks_file: Path = Field(description="The issuer's public keys, as a JSON Web Key Set.")
    jwt_algorithms: list[str] = Field(
        ["RS256", "ES256", "Ed25519"], description="The signature algorithms that are accepted."
    )
    claim_org_roles: str = Field(
        "org_roles",
        description="The claim that maps each organization to the person's roles there.",
    )
    admin_role: str = Field("admin", description="The role that may read an organization's log.")
    secret: SecretStr = Field(
        min_length=32,
        description="Signs cursors and encrypts session cookies; 32 characters or more.",
    )
    session_hours: int = Field(8, ge=1, le=8, description="How long a browser session lasts.")
    secure_cookies: bool = Field(True, description="Whether cookies are for HTTPS only.")
    sign_in_dir: Path | None = Field(
        None, description="Where one-time sign-in links are kept; for the local stack only."
    )
