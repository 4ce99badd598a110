"""``orgtrail access``: create the service users of ClickHouse, with grants and row policies."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import field

from orgtrail_deploy.errors import StackError, clickhouse_reason
from orgtrail_schemas.access import LOOPBACK, access_sql, passwords_wanted
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import PREFIX, Secret, Settings, SettingsError, about, wrong

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Cluster = Annotated[
    str,
    about("The ClickHouse cluster of several shards, as remote_servers names it. Empty: none."),
]


class AccessSettings(Settings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    clickhouse: ClickHouseSettings = field(default_factory=ClickHouseSettings)
    clickhouse_cluster: Cluster = ""
    clickhouse_admin_user: Annotated[str, about("ClickHouse user that creates the others.")] = (
        "admin"
    )
    clickhouse_admin_password: Annotated[
        Secret, about("Password of the user that creates the others.")
    ] = Secret("")
    clickhouse_writer_password: Annotated[Secret, about("Password to set for the consumer.")] = (
        Secret("")
    )
    clickhouse_reader_password: Annotated[
        Secret, about("Password to set for the query service's pages.")
    ] = Secret("")
    clickhouse_export_password: Annotated[
        Secret, about("Password to set for the query service's exports.")
    ] = Secret("")
    clickhouse_migrator_password: Annotated[
        Secret, about("Password to set for orgtrail migrate.")
    ] = Secret("")
    clickhouse_recorder_password: Annotated[
        Secret, about("Password to set for orgtrail record-queries.")
    ] = Secret("")
    clickhouse_checker_password: Annotated[Secret, about("Password to set for orgtrail check.")] = (
        Secret("")
    )
    clickhouse_services_from: Annotated[
        str,
        about(
            "Networks from which the service users may sign in: addresses and ranges,"
            " comma-separated; 0.0.0.0/0,::/0 is everywhere."
        ),
    ] = ",".join(LOOPBACK)
    clickhouse_analysts_from: Annotated[
        str, about("Networks from which analysts may sign in, likewise.")
    ] = ",".join(LOOPBACK)

    def check(self, prefix: str) -> None:
        """Raise ``SettingsError`` for a network that is none."""
        super().check(prefix)
        for name in ("clickhouse_services_from", "clickhouse_analysts_from"):
            try:
                for network in networks(getattr(self, name)):
                    ipaddress.ip_network(network)
            except ValueError as error:
                raise wrong(f"{prefix}{name.upper()}", f"{error}") from None


def access(
    *,
    apply: bool = False,
    clickhouse_host: str | None = None,
    clickhouse_port: int | None = None,
    clickhouse_secure: bool | None = None,
    clickhouse_user: str | None = None,
) -> int:
    """Print the SQL that creates the service users, with grants and row policies. --apply runs it.

    Passwords are read from the environment: ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD for audit_writer,
    likewise READER, EXPORT, MIGRATOR, RECORDER and CHECKER. --apply connects as the admin user,
    with ORGTRAIL_CLICKHOUSE_ADMIN_PASSWORD. Analysts are made by orgtrail grant.
    """
    options: dict[str, Any] = {
        "clickhouse_host": clickhouse_host,
        "clickhouse_port": clickhouse_port,
        "clickhouse_secure": clickhouse_secure,
        "clickhouse_admin_user": clickhouse_user,
    }
    try:
        settings = AccessSettings.load(**{k: v for k, v in options.items() if v is not None})
        sql = _statements(settings, os.environ)
    except SettingsError as error:
        raise StackError(str(error)) from None
    if not apply:
        for statement in sql:
            print(f"{statement};")
        return 0
    with connected(settings) as client:
        for statement in sql:
            client.command(statement)
    print(
        f"ClickHouse: {len(sql)} access statements applied. Services sign in from"
        f" {settings.clickhouse_services_from}"
    )
    return 0


@contextmanager
def connected(settings: AccessSettings, purpose: str = "apply access to") -> Iterator[Client]:
    """A client of the administrator. ``purpose`` is what an error says could not be done.

    Raises:
        StackError: ClickHouse is unreachable, or rejects a statement of the block.
    """
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    connection = settings.clickhouse.connection(
        settings.clickhouse_admin_user, settings.clickhouse_admin_password
    )
    try:
        with clickhouse_connect.get_client(**connection) as client:
            yield client
    except ClickHouseError as error:
        reason = clickhouse_reason(error)
        raise StackError(f"cannot {purpose} {settings.clickhouse.host}: {reason}") from error


def networks(text: str) -> tuple[str, ...]:
    """The networks of a setting."""
    return tuple(network.strip() for network in text.split(",") if network.strip())


def _statements(settings: AccessSettings, environment: Mapping[str, str]) -> list[str]:
    passwords: dict[str, str] = {}
    for name in passwords_wanted():
        short = name.removeprefix("audit_")
        secret: Secret = getattr(settings, f"clickhouse_{short}_password")
        # Earlier versions read AUDIT_…_PASSWORD.
        passwords[name] = secret.reveal() or environment.get(f"{name.upper()}_PASSWORD", "")
    missing = [
        f"{PREFIX}CLICKHOUSE_{name.removeprefix('audit_').upper()}_PASSWORD"
        for name, password in passwords.items()
        if not password
    ]
    if missing:
        raise StackError(f"set {', '.join(missing)}: every user needs a password")
    return access_sql(
        passwords,
        services_from=networks(settings.clickhouse_services_from),
        in_a_cluster=bool(settings.clickhouse_cluster),
    )
