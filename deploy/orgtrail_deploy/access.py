"""``orgtrail access``: the users of a real ClickHouse server."""

from __future__ import annotations

import os

from orgtrail_deploy.errors import StackError
from orgtrail_schemas.access import Analyst
from orgtrail_schemas.access import access as access_data
from orgtrail_schemas.access import access_sql as statements


def access(
    *analysts: str,
    apply: bool = False,
    clickhouse_host: str = "127.0.0.1",
    clickhouse_port: int = 8123,
    clickhouse_secure: bool = False,
    clickhouse_user: str = "admin",
) -> int:
    """Print the statements that make users, grants, row policies and profiles; --apply runs them.

    Each of ANALYSTS is NAME or NAME=ORG,ORG (or NAME=* for all organizations). The password of
    each user is read from the environment, for audit_writer from AUDIT_WRITER_PASSWORD and so on;
    that of the user who applies them from ORGTRAIL_CLICKHOUSE_ADMIN_PASSWORD.
    """
    made = _statements([_analyst(text) for text in analysts])
    if not apply:
        for statement in made:
            print(f"{statement};")
        return 0
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        with clickhouse_connect.get_client(
            host=clickhouse_host,
            port=clickhouse_port,
            username=clickhouse_user,
            password=os.environ.get("ORGTRAIL_CLICKHOUSE_ADMIN_PASSWORD", ""),
            secure=clickhouse_secure,
            autogenerate_session_id=False,
        ) as client:
            for statement in made:
                client.command(statement)
    except ClickHouseError as error:
        # Not the whole text: it repeats the statement.
        reason = str(error).split("(for url")[0].strip().splitlines()[0][:200]
        raise StackError(f"cannot apply access to {clickhouse_host}: {reason}") from error
    print(f"ClickHouse: {len(made)} access statements applied")
    return 0


def _statements(analysts: list[Analyst]) -> list[str]:
    names = [role.name for role in access_data().role] + [analyst.name for analyst in analysts]
    missing = [_variable(name) for name in names if not os.environ.get(_variable(name))]
    if missing:
        raise StackError(f"set {', '.join(missing)}")
    return statements({name: os.environ[_variable(name)] for name in names}, analysts)


def _analyst(text: str) -> Analyst:
    name, _, organizations = text.partition("=")
    return Analyst(name, tuple(org for org in organizations.split(",") if org))


def _variable(name: str) -> str:
    return f"{name.upper()}_PASSWORD"
