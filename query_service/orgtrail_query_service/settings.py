"""The query service's settings, read once at its start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import field

from orgtrail_schemas.connections import ShardedClickHouseSettings
from orgtrail_schemas.settings import Secret, Settings, about, require_readable, wrong

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")

ROUTES = frozenset(
    ("docs", "livez", "metrics", "orgs", "readyz", "schema", "sign-in", "sign-out", "static", "v1")
)
"""The first segments of the service's own paths: a path prefix must differ from them."""


class QuerySettings(Settings, frozen=True, kw_only=True):
    """Each is read from ``ORGTRAIL_`` and its name in capitals.

    The service records who reads with the SDK, so it reads ``ProducerSettings`` too.
    """

    host: Annotated[str, about("The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, about("The port to listen on.", ge=1, le=65_535)] = 8080
    clickhouse: ShardedClickHouseSettings = field(default_factory=ShardedClickHouseSettings)
    clickhouse_reader_user: Annotated[str, about("The user that reads pages.")] = "audit_reader"
    clickhouse_reader_password: Annotated[
        Secret, about("Password of the user that reads pages.")
    ] = Secret("")
    clickhouse_export_user: Annotated[str, about("The user that reads exports.")] = "audit_export"
    clickhouse_export_password: Annotated[
        Secret, about("Password of the user that reads exports.")
    ] = Secret("")
    jwt_issuer: Annotated[
        str,
        about("The token issuer: the iss claim, and for browser sign-in the provider's address."),
    ]
    jwt_audience: Annotated[str, about("The aud claim that tokens must have.")] = "orgtrail"
    jwks_file: Annotated[
        Path | None, about("The issuer's public keys: a JSON Web Key Set in a file.")
    ] = None
    jwks_url: Annotated[
        str | None,
        about(
            "The address of the key set; without it and the file, the issuer's metadata names it."
        ),
    ] = None
    jwt_algorithms: Annotated[
        list[str], about("The signature algorithms that are accepted, comma-separated.")
    ] = field(default_factory=lambda: ["RS256", "ES256", "Ed25519", "EdDSA"])
    claim_org_roles: Annotated[
        str,
        about(
            "The claim that maps each organization to the person's roles there, or lists"
            " organization:role. A claim within a claim is named with a dot: realm_access.roles."
        ),
    ] = "org_roles"
    admin_role: Annotated[
        str, about("The role of an administrator, who may read an organization's log.")
    ] = "admin"
    auditor_role: Annotated[
        str,
        about("The role of an auditor, who may read it likewise; empty: there are no auditors."),
    ] = "auditor"
    secret: Annotated[
        Secret, about("Signs cursors and encrypts session cookies; 32 characters or more.")
    ]
    public_url: Annotated[
        str,
        about(
            "The address of this service in browsers. It may have a path, such as"
            " https://example.com/audit; a proxy may remove that path or keep it."
        ),
    ] = "http://127.0.0.1:8080"
    oidc_client_id: Annotated[
        str | None,
        about("This service's client ID at the provider; without it, browsers cannot sign in."),
    ] = None
    oidc_client_secret: Annotated[
        Secret | None, about("Its client secret; a public client has none.")
    ] = None
    oidc_scope: Annotated[str, about("The scopes that a sign-in asks for.")] = (
        "openid email profile"
    )
    session_hours: Annotated[int, about("How many hours a browser session lasts.", ge=1, le=8)] = 8
    secure_cookies: Annotated[bool, about("Whether cookies are for HTTPS only.")] = True
    sign_in_dir: Annotated[
        Path | None, about("The folder of one-time sign-in links; for the local stack only.")
    ] = None
    record_exports: Annotated[
        Literal["required", "attempted"],
        about("Whether an export that cannot be recorded is refused (required) or continues."),
    ] = "required"
    rate_limit: Annotated[
        int,
        about(
            "Requests per minute of one person, token or anonymous address (IPv6: a /64 network).",
            ge=1,
        ),
    ] = 600
    reads_at_once: Annotated[
        int,
        about("Queries at once of one organization or person, per process; more wait.", ge=1),
    ] = 8
    exports_at_once: Annotated[
        int,
        about(
            "Exports at once of one organization or person, per process; more are refused.", ge=1
        ),
    ] = 4
    export_silence_seconds: Annotated[
        int,
        about("An export ends with an error when ClickHouse sends nothing for this long.", ge=1),
    ] = 120
    stalled_seconds: Annotated[
        int,
        about(
            "An answer breaks off when the client takes longer than this for 256 KB of it.", ge=1
        ),
    ] = 30
    keep_alive_seconds: Annotated[
        int,
        about(
            "How long an idle connection stays open: longer than a load balancer in front keeps"
            " it.",
            ge=1,
        ),
    ] = 75
    trusted_proxies: Annotated[
        str,
        about("Comma-separated addresses of proxies whose X-Forwarded-* headers are trusted."),
    ] = ""
    workers: Annotated[int, about("The number of processes that serve.", ge=1, le=64)] = 1
    shutdown_seconds: Annotated[
        int, about("How many seconds running exports may take to finish at a stop.", ge=1)
    ] = 30

    @property
    def path_prefix(self) -> str:
        """The path of ``public_url`` without a slash at its end: what every link begins with."""
        return urlsplit(self.public_url).path.rstrip("/")

    def check(self, prefix: str) -> None:
        """Look for what cannot work.

        Raises:
            SettingsError: a value cannot be used.
        """
        super().check(prefix)
        require_readable(f"{prefix}JWKS_FILE", self.jwks_file)
        if len(self.secret.reveal()) < 32:
            raise wrong(f"{prefix}SECRET", "must have 32 characters or more")
        public = urlsplit(self.public_url)
        if public.scheme not in ("http", "https") or not public.netloc or public.query:
            raise wrong(f"{prefix}PUBLIC_URL", "must be an address such as https://example.com")
        if self.path_prefix and (
            not _PATH.fullmatch(self.path_prefix) or self.path_prefix.split("/")[1] in ROUTES
        ):
            raise wrong(
                f"{prefix}PUBLIC_URL",
                "must have a path of letters, digits and . _ ~ - that does not begin with one of "
                + ", ".join(sorted(ROUTES)),
            )
        # With these, whoever knows the public keys could sign (RFC 8725, section 2.1).
        if not self.jwt_algorithms or any(
            name == "none" or name.startswith("HS") for name in self.jwt_algorithms
        ):
            raise wrong(
                f"{prefix}JWT_ALGORITHMS", "must be asymmetric signature algorithms, such as RS256"
            )
        asks_issuer = self.oidc_client_id is not None or not (self.jwks_file or self.jwks_url)
        for name, address in (
            ("JWKS_URL", self.jwks_url),
            ("JWT_ISSUER", self.jwt_issuer if asks_issuer else None),
        ):
            if not address:
                continue
            url = urlsplit(address)
            if url.scheme != "https" and not _is_loopback(url.hostname or ""):
                raise wrong(
                    prefix + name, f"{address} must start with https://, because keys come from it"
                )


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine: names under localhost are (RFC 6761, section 6.3).

    In containers, such a name may be another container's, as an operator named it (compose.yaml).
    """
    return host in ("127.0.0.1", "localhost", "::1") or host.endswith(".localhost")
