"""The query service's settings, read once at its start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
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
    jwt_issuer: str = Field(
        description="Who issues tokens: their iss claim; for a browser's sign-in its address."
    )
    jwt_audience: str = Field(
        "orgtrail", description="For whom tokens are issued: their aud claim."
    )
    jwks_file: Path | None = Field(
        None, description="The issuer's public keys, as a JSON Web Key Set in a file."
    )
    jwks_url: str | None = Field(
        None,
        description="Their address; without it and the file, the issuer's own metadata names it.",
    )
    jwt_algorithms: list[str] = Field(
        ["RS256", "ES256", "Ed25519"], description="The signature algorithms that are accepted."
    )
    claim_org_roles: str = Field(
        "org_roles",
        description="The claim that maps each organization to the person's roles there, or lists"
        " organization:role.",
    )
    admin_role: str = Field("admin", description="The role that may read an organization's log.")
    secret: SecretStr = Field(
        min_length=32,
        description="Signs cursors and encrypts session cookies; 32 characters or more.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8080", description="The address that browsers know this service by."
    )
    oidc_client_id: str | None = Field(
        None, description="This service's id at the issuer; without it no browser signs in there."
    )
    oidc_client_secret: SecretStr | None = Field(
        None, description="Its secret; a public client has none."
    )
    oidc_scope: str = Field("openid email profile", description="What a sign-in asks for.")
    session_hours: int = Field(8, ge=1, le=8, description="How long a browser session lasts.")
    secure_cookies: bool = Field(True, description="Whether cookies are for HTTPS only.")
    sign_in_dir: Path | None = Field(
        None, description="Where one-time sign-in links are kept; for the local stack only."
    )
    record_exports: Literal["required", "attempted"] = Field(
        "required",
        description="Whether an export is refused when it cannot be recorded, or goes on.",
    )
    rate_limit: int = Field(
        600, ge=1, description="Requests a minute of one person, token or unknown address."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses of proxies whose X-Forwarded headers are believed, by commas.",
    )
    workers: int = Field(1, ge=1, le=64, description="How many processes serve.")
    shutdown_seconds: int = Field(
        30, ge=1, description="How long running exports may take to finish at a stop."
    )

    @field_validator("jwt_algorithms")
    @classmethod
    def _asymmetric(cls, algorithms: list[str]) -> list[str]:
        # With these, whoever knows the public keys could sign (RFC 8725, section 2.1).
        if not algorithms or any(name == "none" or name.startswith("HS") for name in algorithms):
            raise ValueError("must be asymmetric signature algorithms, such as RS256")
        return algorithms

    @model_validator(mode="after")
    def _over_tls(self) -> Self:
        addresses = [self.jwks_url, self.jwt_issuer if self._asks_issuer else None]
        for address in filter(None, addresses):
            url = urlsplit(address)
            if url.scheme != "https" and url.hostname not in ("127.0.0.1", "localhost", "::1"):
                raise ValueError(f"{address} must begin with https://: keys come from there")
        return self

    @property
    def _asks_issuer(self) -> bool:
        return self.oidc_client_id is not None or (self.jwks_file is None and not self.jwks_url)
