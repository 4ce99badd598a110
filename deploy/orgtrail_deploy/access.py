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
    """Each is read from ``ORGTRAIL_`` and its name in capitals."""

    clickhouse: ClickHouseSettings = field(default_factory=ClickHouseSettings)
    clickhouse_admin_user: Annotated[str, about("The user that creates the other users.")] = "admin"
    clickhouse_admin_password: Annotated[
        Secret, about("Password of the user that creates the other users.")
    ] = Secret("")
    clickhouse_writer_password: Annotated[Secret, about("The consumer's password, to be set.")] = (
        Secret("")
    )
    clickhouse_reader_password: Annotated[
        Secret, about("The query service's password for pages, to be set.")
    ] = Secret("")
    clickhouse_export_password: Annotated[
        Secret, about("The query service's password for exports, to be set.")
    ] = Secret("")
    clickhouse_migrator_password: Annotated[
        Secret, about("The password of orgtrail migrate, to be set.")
    ] = Secret("")


def access(
    *analysts: str,
    apply: bool = False,
    clickhouse_host: str | None = None,
    clickhouse_port: int | None = None,
    clickhouse_secure: bool | None = None,
    clickhouse_user: str | None = None,
) -> int:
    """Print the statements that create users, grants, row policies and profiles; --apply runs them.

    Each of ANALYSTS is NAME or NAME=ORG,ORG (or NAME=* for all organizations). Passwords are read
    from the environment: ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD for audit_writer, likewise READER,
    EXPORT and MIGRATOR, and ORGTRAIL_CLICKHOUSE_NAME_PASSWORD for each analyst. The user who runs
    the statements has ORGTRAIL_CLICKHOUSE_ADMIN_PASSWORD.
    """
    given: dict[str, Any] = {
        "clickhouse_host": clickhouse_host,
        "clickhouse_port": clickhouse_port,
        "clickhouse_secure": clickhouse_secure,
        "clickhouse_admin_user": clickhouse_user,
    }
    try:
        settings = AccessSettings.load(**{k: v for k, v in given.items() if v is not None})
        made = _statements(settings, [_analyst(text) for text in analysts], os.environ)
    except SettingsError as error:
        raise StackError(str(error)) from None
    if not apply:
        for statement in made:
            print(f"{statement};")
        return 0
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    connection = settings.clickhouse.connection(
        settings.clickhouse_admin_user, settings.clickhouse_admin_password
    )
    try:
        with clickhouse_connect.get_client(**connection) as client:
            for statement in made:
                client.command(statement)
    except ClickHouseError as error:
        # Not the whole text: it repeats the statement.
        reason = str(error).split("(for url")[0].strip().splitlines()[0][:200]
        raise StackError(f"cannot apply access to {settings.clickhouse.host}: {reason}") from error
    print(f"ClickHouse: {len(made)} access statements applied")
    return 0


def _statements(
    settings: AccessSettings, analysts: list[Analyst], environment: Mapping[str, str]
) -> list[str]:
    passwords: dict[str, str] = {}
    for role in access_data().role:
        short = role.name.removeprefix("audit_")
        secret: Secret = getattr(settings, f"clickhouse_{short}_password")
        # AUDIT_…_PASSWORD is the name of earlier versions.
        old = f"{role.name.upper()}_PASSWORD"
        passwords[role.name] = secret.reveal() or environment.get(old, "")
    for analyst in analysts:
        for variable in (_variable(analyst.name), f"{analyst.name.upper()}_PASSWORD"):
            passwords.setdefault(analyst.name, "")
            passwords[analyst.name] = passwords[analyst.name] or environment.get(variable, "")
    missing = [_variable(name) for name, password in passwords.items() if not password]
    if missing:
        raise StackError(f"set {', '.join(missing)}")
    return statements(passwords, analysts)


def _analyst(text: str) -> Analyst:
    name, _, organizations = text.partition("=")
    return Analyst(name, tuple(org for org in organizations.split(",") if org))


def _variable(name: str) -> str:
    return f"{PREFIX}CLICKHOUSE_{name.removeprefix('audit_').upper()}_PASSWORD"
