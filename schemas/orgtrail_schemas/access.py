"""Users, roles, grants, row policies and settings profiles for ClickHouse, from ``access.toml``.

The same data is rendered in two forms: ``users.xml`` for a server that reads its users from a
file, and SQL statements for a production server. Passwords appear only as SHA-256 digests.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree

import msgspec

from orgtrail_schemas.sql import identifier, string

_Settings = dict[str, int | str]


class Quota(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of queries and seconds of execution allowed per interval of ``seconds``.

    With ``by_key``, each key that a client names has a quota of its own; else each user has.
    """

    seconds: int
    queries: int
    execution_time: int
    by_key: bool = False


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role with its profile. ``grants`` are written as they follow ``GRANT`` in SQL."""

    name: str
    profile: str
    grants: list[str]
    quota: str | None = None


class AnalystRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all analysts share. Each also has a row policy of their own."""

    profile: str
    quota: str
    grants: list[str]


class Analyst(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One analyst and the organizations that an operator granted.

    ``organizations`` is empty until an operator grants some; ``("*",)`` means all of them.
    """

    name: str
    organizations: tuple[str, ...] = ()


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parsed ``access.toml``."""

    profiles: dict[str, _Settings]
    quotas: dict[str, Quota]
    role: list[Role]
    analyst: AnalystRole


_KEEP_ALIVE = "keep_alive"


@cache
def access() -> Access:
    """The access data that ships with this version."""
    return msgspec.toml.decode(files(__package__).joinpath("access.toml").read_bytes(), type=Access)


def policy(analyst: Analyst) -> str:
    """The condition of an analyst's row policy on ``audit.events``. Denies by default."""
    if "*" in analyst.organizations:
        return "1"
    if not analyst.organizations:
        return "0"
    return f"org_id IN ({', '.join(string(org) for org in analyst.organizations)})"


def users_xml(passwords: dict[str, str], analysts: list[Analyst]) -> str:
    """The users file of a local server.

    ``passwords`` holds the password of each role and each analyst, by name. The ``default`` user
    has none, because the embedded server itself signs in as it for the query that keeps it alive.
    That is the only session that this user may have, so nobody else can sign in as it.

    Raises:
        KeyError: a password is missing.
    """
    root = ElementTree.Element("clickhouse")
    profiles = ElementTree.SubElement(root, "profiles")
    ElementTree.SubElement(profiles, "default")
    for name, settings in access().profiles.items():
        profile = ElementTree.SubElement(profiles, name)
        for key, value in settings.items():
            ElementTree.SubElement(profile, key).text = str(value)
    own = ElementTree.SubElement(profiles, _KEEP_ALIVE)
    ElementTree.SubElement(own, "max_sessions_for_user").text = "1"
    quotas = ElementTree.SubElement(root, "quotas")
    ElementTree.SubElement(quotas, "default")
    for name, quota in access().quotas.items():
        limits = ElementTree.SubElement(quotas, name)
        if quota.by_key:
            # In a file this means: by key, and by user where a client names none.
            ElementTree.SubElement(limits, "keyed")
        interval = ElementTree.SubElement(limits, "interval")
        ElementTree.SubElement(interval, "duration").text = str(quota.seconds)
        ElementTree.SubElement(interval, "queries").text = str(quota.queries)
        ElementTree.SubElement(interval, "execution_time").text = str(quota.execution_time)
    users = ElementTree.SubElement(root, "users")
    keep_alive = Role("default", _KEEP_ALIVE, ["SYSTEM LISTEN ON *.*", "SELECT ON system.numbers"])
    _user(users, keep_alive, None)
    for role in access().role:
        _user(users, role, passwords[role.name])
    for analyst in analysts:
        user = _user(users, _role_of(analyst), passwords[analyst.name])
        databases = ElementTree.SubElement(user, "databases")
        table = ElementTree.SubElement(ElementTree.SubElement(databases, "audit"), "events")
        ElementTree.SubElement(table, "filter").text = policy(analyst)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def access_sql(passwords: dict[str, str], analysts: list[Analyst]) -> list[str]:
    """The statements that create the same users on a production server, in order.

    They can be run again: ``OR REPLACE`` brings the server in line with the file.

    Raises:
        KeyError: a password is missing.
    """
    out: list[str] = []
    for name, settings in access().profiles.items():
        pairs = ", ".join(f"{key} = {_value(value)}" for key, value in settings.items())
        out.append(f"CREATE SETTINGS PROFILE OR REPLACE {name} SETTINGS {pairs}")
    for role in access().role:
        out += _sql_user(role, passwords[role.name])
    # The services' own readers see all rows. The query service adds the organization predicate.
    open_to = ", ".join(("audit_reader", "audit_export", "audit_migrator"))
    out.append(f"CREATE ROW POLICY OR REPLACE services ON audit.events USING 1 TO {open_to}")
    for analyst in analysts:
        # Create the policy before the grants, so that the analyst never sees all rows.
        statements = _sql_user(_role_of(analyst), passwords[analyst.name])
        name = identifier(analyst.name)
        rule = (
            f"CREATE ROW POLICY OR REPLACE {name} ON audit.events USING {policy(analyst)} TO {name}"
        )
        out += [statements[0], rule, *statements[1:]]
    holders = [*access().role, *(_role_of(analyst) for analyst in analysts)]
    for quota, limits in access().quotas.items():
        names = ", ".join(identifier(holder.name) for holder in holders if holder.quota == quota)
        if names:
            by = "client_key, user_name" if limits.by_key else "user_name"
            out.append(
                f"CREATE QUOTA OR REPLACE {quota} KEYED BY {by} FOR INTERVAL"
                f" {limits.seconds} second MAX queries = {limits.queries},"
                f" execution_time = {limits.execution_time} TO {names}"
            )
    return out


def _role_of(analyst: Analyst) -> Role:
    shared = access().analyst
    return Role(analyst.name, shared.profile, shared.grants, shared.quota)


def _user(users: ElementTree.Element, role: Role, password: str | None) -> ElementTree.Element:
    user = ElementTree.SubElement(users, role.name)
    if password is None:
        ElementTree.SubElement(user, "no_password")
    else:
        ElementTree.SubElement(user, "password_sha256_hex").text = _digest(password)
    networks = ElementTree.SubElement(user, "networks")
    ElementTree.SubElement(networks, "ip").text = "127.0.0.1"
    ElementTree.SubElement(networks, "ip").text = "::1"
    ElementTree.SubElement(user, "profile").text = role.profile
    ElementTree.SubElement(user, "quota").text = role.quota or "default"
    granted = ElementTree.SubElement(user, "grants")
    for grant in role.grants:
        ElementTree.SubElement(granted, "query").text = f"GRANT {grant}"
    return user


def _sql_user(role: Role, password: str) -> list[str]:
    name = identifier(role.name)
    return [
        f"CREATE USER OR REPLACE {name} IDENTIFIED WITH sha256_hash BY '{_digest(password)}'"
        f" SETTINGS PROFILE {string(role.profile)}",
        *(f"GRANT {grant} TO {name}" for grant in role.grants),
    ]


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _value(value: int | str) -> str:
    return str(value) if isinstance(value, int) else string(value)
