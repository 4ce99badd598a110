"""``orgtrail access``: create ClickHouse users, grants and row policies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import field

from orgtrail_deploy.errors import StackError
from orgtrail_schemas.access import Analyst
from orgtrail_schemas.access import access as access_data
from orgtrail_schemas.access import access_sql as statements
from orgtrail_schemas.connections import ClickHouseSettings
from orgtrail_schemas.settings import PREFIX, Secret, Settings, SettingsError, about


class AccessSettings(Settings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    clickhouse: ClickHouseSettings = field(default_factory=ClickHouseSettings)
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


def access(
    *analysts: str,
    apply: bool = False,
    clickhouse_host: str | None = None,
    clickhouse_port: int | None = None,
    clickhouse_secure: bool | None = None,
    clickhouse_user: str | None = None,
) -> int:
    """Print the SQL that creates users, grants, row policies and profiles. --apply runs it.

    Each of ANALYSTS is NAME, NAME=ORG,ORG or NAME=* (all organizations). Passwords are read from
    the environment: ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD for audit_writer, likewise READER, EXPORT
    and MIGRATOR, and ORGTRAIL_CLICKHOUSE_NAME_PASSWORD for each analyst. --apply connects as the
    admin user, with ORGTRAIL_CLICKHOUSE_ADMIN_PASSWORD.
    """
    options: dict[str, Any] = {
        "clickhouse_host": clickhouse_host,
        "clickhouse_port": clickhouse_port,
        "clickhouse_secure": clickhouse_secure,
        "clickhouse_admin_user": clickhouse_user,
    }
    try:
        settings = AccessSettings.load(**{k: v for k, v in options.items() if v is not None})
        sql = _statements(settings, [_analyst(text) for text in analysts], os.environ)
    except SettingsError as error:
        raise StackError(str(error)) from None
    if not apply:
        for statement in sql:
            print(f"{statement};")
        return 0
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    connection = settings.clickhouse.connection(
        settings.clickhouse_admin_user, settings.clickhouse_admin_password
    )
    try:
        with clickhouse_connect.get_client(**connection) as client:
            for statement in sql:
                client.command(statement)
    except ClickHouseError as error:
        # Not the whole message, because it repeats the statement.
        reason = str(error).split("(for url")[0].strip().splitlines()[0][:200]
        raise StackError(f"cannot apply access to {settings.clickhouse.host}: {reason}") from error
    print(f"ClickHouse: {len(sql)} access statements applied")
    return 0


def _statements(
    settings: AccessSettings, analysts: list[Analyst], environment: Mapping[str, str]
) -> list[str]:
    passwords: dict[str, str] = {}
    for role in access_data().role:
        short = role.name.removeprefix("audit_")
        secret: Secret = getattr(settings, f"clickhouse_{short}_password")
        # Earlier versions read AUDIT_…_PASSWORD.
        old = f"{role.name.upper()}_PASSWORD"
        passwords[role.name] = secret.reveal() or environment.get(old, "")
    for analyst in analysts:
        for variable in (_variable(analyst.name), f"{analyst.name.upper()}_PASSWORD"):
            passwords.setdefault(analyst.name, "")
            passwords[analyst.name] = passwords[analyst.name] or environment.get(variable, "")
    missing = [_variable(name) for name, password in passwords.items() if not password]
    if missing:
        raise StackError(f"set {', '.join(missing)}: every user needs a password")
    return statements(passwords, analysts)


def _analyst(text: str) -> Analyst:
    name, _, organizations = text.partition("=")
    taken = {role.name for role in access_data().role} | {"admin", "default"}
    if name in taken or f"audit_{name}" in taken or not name:
        raise StackError(f"{name!r} is the name of a service user: choose another for the analyst")
    return Analyst(name, tuple(org for org in organizations.split(",") if org))


def _variable(name: str) -> str:
    return f"{PREFIX}CLICKHOUSE_{name.removeprefix('audit_').upper()}_PASSWORD"
