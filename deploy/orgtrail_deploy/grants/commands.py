"""``orgtrail grant``, ``revoke`` and ``grants``: analysts, from a list that operators keep."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from orgtrail_deploy.access import AccessSettings, connected, networks
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.grants.analysts_file import (
    check_name,
    check_organizations,
    read_analysts,
    write_analyst,
)
from orgtrail_deploy.grants.on_server import Change, analysts_of, changes_between, make_equal
from orgtrail_deploy.operator_identity import operator
from orgtrail_schemas.access import Analyst
from orgtrail_schemas.settings import PREFIX, Secret, SettingsError, about

GRANTED = "org.audit-log.access-granted"
REVOKED = "org.audit-log.access-revoked"
_DELIVER_WITHIN_S = 15


OperatorOrg = Annotated[
    str, about("The organization of events about all organizations: the operator's own.")
]


class GrantsSettings(AccessSettings, frozen=True, kw_only=True):
    """Each field is read from the variable ``ORGTRAIL_`` plus its name in upper case."""

    analysts_file: Annotated[
        Path, about("The list of analysts and the organizations that each may read.")
    ] = Path("analysts.toml")
    operator_org: OperatorOrg = "operator"


def grant(analyst: str, *organizations: str, all_: bool = False) -> int:
    """Grant an analyst ORGANIZATIONS, or --all of them, in the list and in ClickHouse.

    A new analyst needs ORGTRAIL_CLICKHOUSE_NAME_PASSWORD. Each change is recorded as an event of
    the organization that is granted.
    """
    check_name(analyst)
    check_organizations(organizations)
    if all_ == bool(organizations):
        raise StackError("name the organizations to grant, or give --all")
    settings = _settings()
    old = _organizations(settings, analyst)
    new = ("*",) if all_ else tuple(dict.fromkeys((*old, *organizations)))
    if "*" in old and not all_:
        raise StackError(f"{analyst} may read all organizations already: revoke that first")
    if not settings.analysts_file.exists():
        _require_no_analysts(settings)
    return _set(settings, analyst, new)


def revoke(analyst: str, *organizations: str) -> int:
    """Revoke ORGANIZATIONS from an analyst, or the whole access, in the list and in ClickHouse."""
    settings = _settings()
    old = _organizations(settings, analyst)
    if not old:
        raise StackError(f"{analyst} is not in {settings.analysts_file}")
    unknown = [organization for organization in organizations if organization not in old]
    if unknown:
        raise StackError(f"{analyst} was not granted {', '.join(unknown)}")
    new = [organization for organization in old if organization not in organizations]
    return _set(settings, analyst, new if organizations else ())


def grants(*, apply: bool = False) -> int:
    """Show the list of analysts beside ClickHouse's. --apply makes ClickHouse equal to it.

    Exits with 1 if the two differ.
    """
    settings = _settings()
    wanted = read_analysts(settings.analysts_file)
    if apply:
        if not settings.analysts_file.exists():
            raise StackError(
                f"{settings.analysts_file} does not exist: an empty file would drop all analysts"
            )
        return _apply(settings, wanted)
    with connected(settings) as client:
        there = analysts_of(client)
    by_name = {analyst.name: analyst for analyst in there}
    for analyst in wanted:
        print(f"{analyst.name}: {_has(analyst)}")
        found = by_name.pop(analyst.name, None)
        if found is None:
            print("  ClickHouse: no such user")
        elif changes_between([found], [analyst]):
            print(f"  ClickHouse: {_has(found)}")
    for name, found in by_name.items():
        print(f"{name}: nothing\n  ClickHouse: {_has(found)}")
    different = changes_between(there, wanted)
    if different:
        print(f"{len(different)} differences: orgtrail grants --apply makes ClickHouse equal")
    return 1 if different else 0


def _require_no_analysts(settings: GrantsSettings) -> None:
    """A new file with one analyst would drop all others."""
    with connected(settings) as client:
        there = analysts_of(client)
    if there:
        names = ", ".join(analyst.name for analyst in there)
        raise StackError(
            f"{settings.analysts_file} does not exist, but ClickHouse has analysts ({names}): write"
            " them into the file first. orgtrail grants shows what they may read"
        )


def _settings() -> GrantsSettings:
    try:
        return GrantsSettings.load()
    except SettingsError as error:
        raise StackError(str(error)) from None


def _organizations(settings: GrantsSettings, name: str) -> tuple[str, ...]:
    analysts = read_analysts(settings.analysts_file)
    return next((a.organizations for a in analysts if a.name == name), ())


def _words(organizations: Sequence[str]) -> str:
    return "all" if "*" in organizations else ", ".join(organizations) or "nothing"


def _what(change: Change) -> tuple[str, str]:
    """What was granted or revoked: its kind, as the events name it, and which."""
    if change.workspace:
        return "workspace", change.workspace
    return "organizations", _words([change.organization])


def _has(analyst: Analyst) -> str:
    workspace = f", workspace {analyst.workspace}" if analyst.workspace else ""
    return _words(analyst.organizations) + workspace


def _set(settings: GrantsSettings, name: str, organizations: Sequence[str]) -> int:
    write_analyst(settings.analysts_file, name, organizations)
    return _apply(settings, read_analysts(settings.analysts_file))


def _apply(settings: GrantsSettings, wanted: list[Analyst]) -> int:
    passwords = {a.name: p for a in wanted if (p := _password(a.name).reveal())}
    try:
        with connected(settings) as client:
            changes = make_equal(
                client,
                wanted,
                passwords,
                analysts_from=networks(settings.clickhouse_analysts_from),
                in_a_cluster=bool(settings.clickhouse_cluster),
            )
    except KeyError as error:
        raise StackError(
            f"set {_variable(error.args[0])}: a new analyst needs a password."
            " Nothing is applied yet"
        ) from None
    for change in changes:
        word = "granted" if change.granted else "revoked"
        kind, value = _what(change)
        print(f"{change.analyst}: {word} {'workspace ' if kind == 'workspace' else ''}{value}")
    print(f"ClickHouse is equal to {settings.analysts_file}: {len(wanted)} analysts")
    _record(changes, settings.operator_org)
    return 0


def _record(changes: Sequence[Change], operator_org: str) -> None:
    """Record each change as an event of its organization, delivered or on disk."""
    from orgtrail import AuditProducer, ProducerSettings, Target
    from orgtrail.errors import AuditError

    if not changes:
        return
    try:
        with AuditProducer(ProducerSettings.load(service="orgtrail")) as audit:
            for change in changes:
                # All organizations, and a workspace, are of no organization in particular.
                of_one = change.organization not in ("", "*")
                kind, value = _what(change)
                details: dict[str, Any] = {
                    "org_id": change.organization if of_one else operator_org,
                    "actor": operator(),
                    "targets": [Target(type="user", id=change.analyst)],
                    "metadata": {kind: value},
                }
                audit.emit(GRANTED if change.granted else REVOKED, **details)
            waiting = audit.flush(_DELIVER_WITHIN_S)
    except (AuditError, SettingsError) as error:
        raise StackError(
            f"ClickHouse is changed, but no event recorded it: {str(error).splitlines()[0]}"
        ) from None
    if waiting:
        print(f"Kafka did not take {waiting} events yet: they wait on disk (orgtrail spool list)")


def _password(name: str) -> Secret:
    variable = _variable(name)
    if os.environ.get(f"{variable}_FILE") and not os.environ.get(variable):
        return Secret(file=Path(os.environ[f"{variable}_FILE"]), variable=f"{variable}_FILE")
    return Secret(os.environ.get(variable, ""))


def _variable(name: str) -> str:
    return f"{PREFIX}CLICKHOUSE_{re.sub('[^A-Z0-9]', '_', name.upper())}_PASSWORD"
