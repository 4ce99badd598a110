"""``orgtrail access``: the users of a real ClickHouse server, as SQL."""

from __future__ import annotations

import os
import sys

from orgtrail_schemas.access import Analyst
from orgtrail_schemas.access import access as access_data
from orgtrail_schemas.access import access_sql as statements


def access(*analysts: str) -> int:
    """Print the statements that make users, grants, row policies and profiles.

    Each of ANALYSTS is NAME or NAME=ORG,ORG (or NAME=* for all organizations). The password of
    each user is read from the environment, for audit_writer from AUDIT_WRITER_PASSWORD and so on.
    """
    parsed = [_analyst(text) for text in analysts]
    names = [role.name for role in access_data().role] + [analyst.name for analyst in parsed]
    missing = [_variable(name) for name in names if not os.environ.get(_variable(name))]
    if missing:
        print(f"orgtrail access: set {', '.join(missing)}", file=sys.stderr)
        return 1
    passwords = {name: os.environ[_variable(name)] for name in names}
    for statement in statements(passwords, parsed):
        print(f"{statement};")
    return 0


def _analyst(text: str) -> Analyst:
    name, _, organizations = text.partition("=")
    return Analyst(name, tuple(org for org in organizations.split(",") if org))


def _variable(name: str) -> str:
    return f"{name.upper()}_PASSWORD"
