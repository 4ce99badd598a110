"""The file of analysts: TOML that operators keep under version control, without passwords.

::

    [analysts]
    ana = ["acme", "globex"]
    bob = "all"

    [workspaces]
    ana = "ana"
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from orgtrail_deploy.errors import StackError
from orgtrail_schemas.access import Analyst, access
from orgtrail_schemas.limits import ORG_ID, ORG_ID_RULE
from orgtrail_schemas.reading import read_toml
from orgtrail_schemas.tables import DATABASE

ALL = "all"
_EVERYTHING = ("*",)
_NEW = """# Who may read audit.events with SQL, and which organizations.
# `orgtrail grants --apply` makes ClickHouse equal to this list: who is not named loses access.

[analysts]
"""


_DATABASE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_NO_WORKSPACES = {DATABASE, "default", "information_schema", "system"}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    analysts: dict[str, list[str] | Literal["all"]] = {}
    workspaces: dict[str, str] = {}


def read_analysts(file: Path) -> list[Analyst]:
    """The analysts of the file, in its order; none if there is no file.

    Raises:
        StackError: the file is not as it should be.
    """
    try:
        text = file.read_text("utf-8")
        file_of = read_toml(text, _File)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise StackError(f"{file}: {str(error).splitlines()[0]}") from None
    found, workspaces = file_of.analysts, file_of.workspaces
    for name, organizations in found.items():
        check_name(name)
        if not organizations:
            raise StackError(f"{file}: name the organizations of {name!r}, or {ALL!r}")
        if organizations != ALL:
            check_organizations(organizations)
    _check_workspaces(file, workspaces, found)
    return [
        Analyst(
            name,
            _EVERYTHING if organizations == ALL else tuple(dict.fromkeys(organizations)),
            workspaces.get(name, ""),
        )
        for name, organizations in found.items()
    ]


def write_analyst(file: Path, name: str, organizations: Sequence[str]) -> None:
    """Name an analyst's organizations in the file, or with none remove the analyst.

    Comments and order stay as they are. ``("*",)`` means all organizations.

    Raises:
        StackError: the file cannot be written.
    """
    try:
        document = tomlkit.parse(file.read_text("utf-8") if file.exists() else _NEW)
        table = document.setdefault("analysts", tomlkit.table())
        if not organizations:
            table.pop(name, None)
            document.get("workspaces", {}).pop(name, None)
        else:
            table[name] = ALL if tuple(organizations) == _EVERYTHING else list(organizations)
        staged = file.with_name(f"{file.name}.new")
        staged.write_text(tomlkit.dumps(document), "utf-8")
        os.replace(staged, file)
    except (OSError, TOMLKitError) as error:
        raise StackError(f"{file}: {str(error).splitlines()[0]}") from None


def check_name(name: str) -> None:
    """Check that an analyst may be called so.

    Raises:
        StackError: it is the name of another user, or empty.
    """
    taken = {role.name for role in access().role} | {"admin", "default"}
    if not name or name in taken or f"audit_{name}" in taken:
        raise StackError(f"{name!r} is the name of a service user: choose another for the analyst")
    if ":" in name:
        raise StackError(f"{name!r} has a colon, which ClickHouse uses itself: choose another name")


def _check_workspaces(file: Path, workspaces: Mapping[str, str], names: Collection[str]) -> None:
    for name, database in workspaces.items():
        if name not in names:
            raise StackError(f"{file}: {name!r} has a workspace and is not an analyst")
        if database in _NO_WORKSPACES or not _DATABASE.fullmatch(database):
            raise StackError(
                f"{file}: {database!r} cannot be a workspace: choose another name, of a-z, 0-9, _"
            )
    if len(set(workspaces.values())) < len(workspaces):
        raise StackError(f"{file}: give each analyst a workspace of their own")


def check_organizations(organizations: Sequence[str]) -> None:
    """Check that there may be organizations with these IDs.

    Raises:
        StackError: one is no ID of an organization.
    """
    for organization in organizations:
        if not ORG_ID.fullmatch(organization):
            raise StackError(f"{organization!r} is no organization: its ID {ORG_ID_RULE}")
