"""Users, grants, row policies and settings profiles for ClickHouse, from ``access.toml``.

The same data is rendered in two forms: ``users.xml`` for a server that reads its users from a
file, and SQL statements for a production server. Passwords appear only as SHA-256 digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree

import msgspec

from orgtrail_schemas.reading import read_toml
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
    """A role with its profile. ``grants`` are written as they follow ``GRANT`` in SQL.

    On the servers of a cluster it has the grants ``in_a_cluster`` besides. Nobody can sign in as
    one without ``sign_in``.
    """

    name: str
    profile: str
    grants: list[str]
    in_a_cluster: list[str] = []
    quota: str | None = None
    sign_in: bool = True


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lowest and the highest value of a setting that a client may send."""

    min: int | None = None
    max: int | None = None


class AnalystRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all analysts share, or all with a workspace. Each also has a row policy of their own."""

    profile: str
    quota: str
    grants: list[str]
    in_a_cluster: list[str]


class Analyst(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One analyst and the organizations that an operator granted.

    ``organizations`` is empty until an operator grants some; ``("*",)`` means all of them.
    ``workspace`` is a database of their own; most have none.
    """

    name: str
    organizations: tuple[str, ...] = ()
    workspace: str = ""


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parsed ``access.toml``."""

    profiles: dict[str, _Settings]
    constant: dict[str, list[str]]
    changeable: dict[str, dict[str, Bounds]]
    quotas: dict[str, Quota]
    role: list[Role]
    analyst: AnalystRole
    workspace: AnalystRole


LOOPBACK = ("127.0.0.1", "::1")
"""The networks of a user who signs in on the server itself."""

_KEEP_ALIVE = "keep_alive"
_DIGEST_OF_NOTHING = "0" * 64
"""Of no known password."""
_EVENTS = "audit.events"


@cache
def access() -> Access:
    """The access data that ships with this version."""
    return read_toml(files(__package__).joinpath("access.toml").read_bytes(), Access)


def passwords_wanted() -> list[str]:
    """The service users who sign in, and so need a password."""
    return [role.name for role in access().role if role.sign_in]


def policy(analyst: Analyst) -> str:
    """The condition of an analyst's row policy on ``audit.events``. Denies by default."""
    if "*" in analyst.organizations:
        return "1"
    if not analyst.organizations:
        return "0"
    return f"org_id IN ({', '.join(string(org) for org in analyst.organizations)})"


def workspace_comment(analyst: Analyst) -> str:
    """What a database says of itself that was made for an analyst."""
    return f"The workspace of {analyst.name}"


def users_xml(passwords: dict[str, str], analysts: list[Analyst]) -> str:
    """The users file of a local server.

    ``passwords`` holds the password of each role that signs in and of each analyst, by name. The
    ``default`` user has none, because the embedded server itself signs in as it for the query that
    keeps it alive. That is the only session that this user may have, so nobody else can sign in
    as it.

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
        constraints = ElementTree.SubElement(profile, "constraints")
        for key in access().constant.get(name, []):
            ElementTree.SubElement(ElementTree.SubElement(constraints, key), "const")
        for key, bounds in access().changeable.get(name, {}).items():
            constraint = ElementTree.SubElement(constraints, key)
            for kind, bound in msgspec.structs.asdict(bounds).items():
                if bound is not None:
                    ElementTree.SubElement(constraint, kind).text = str(bound)
            ElementTree.SubElement(constraint, "changeable_in_readonly")
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
        _user(users, role, passwords[role.name] if role.sign_in else None)
    for analyst in analysts:
        user = _user(users, _role_of(analyst), passwords[analyst.name])
        databases = ElementTree.SubElement(user, "databases")
        table = ElementTree.SubElement(ElementTree.SubElement(databases, "audit"), "events")
        ElementTree.SubElement(table, "filter").text = policy(analyst)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def access_sql(
    passwords: dict[str, str],
    *,
    services_from: Sequence[str] = LOOPBACK,
    in_a_cluster: bool = False,
) -> list[str]:
    """The statements that create the service users on a production server, in order.

    They may sign in from the networks only: addresses and ranges. The statements can be run again,
    and bring the server in line with the file. ``in_a_cluster``: it is one of several shards.

    Raises:
        KeyError: a password is missing.
    """
    # Whoever has no policy of their own sees nothing, however the server treats such users.
    out = [f"CREATE ROW POLICY OR REPLACE nobody ON {_EVENTS} USING 0 TO ALL"]
    for name, settings in access().profiles.items():
        changeable = access().changeable.get(name, {})
        constant = access().constant.get(name, [])
        parts = ", ".join(
            _setting(key, settings.get(key), changeable.get(key), key in constant)
            for key in settings | changeable
        )
        # Not OR REPLACE: who has the replaced profile would have none.
        out += [
            f"CREATE SETTINGS PROFILE IF NOT EXISTS {name}",
            f"ALTER SETTINGS PROFILE {name} SETTINGS {parts}",
        ]
    for role in access().role:
        password = passwords[role.name] if role.sign_in else None
        out += [_create_user(role, password, services_from), *_grants(role, in_a_cluster)]
    # The services' own readers see all rows. The query service adds the organization predicate.
    open_to = ", ".join(("audit_reader", "audit_export", "audit_migrator"))
    out.append(f"CREATE ROW POLICY OR REPLACE services ON {_EVENTS} USING 1 TO {open_to}")
    for quota in access().quotas:
        names = [role.name for role in access().role if role.quota == quota]
        if names:
            out.append(_quota(quota, names))
    return out


def analysts_sql(
    analysts: Sequence[Analyst],
    passwords: Mapping[str, str],
    known: Collection[str],
    *,
    analysts_from: Sequence[str] = LOOPBACK,
    in_a_cluster: bool = False,
) -> list[str]:
    """The statements that make the analysts on a server equal to these, in order.

    ``known`` are the analysts that there are already. They keep their passwords unless
    ``passwords`` has new ones. Who is no longer named is dropped, and their queries end.

    Raises:
        KeyError: a new analyst has no password.
    """
    out: list[str] = []
    for analyst in analysts:
        role, name = _role_of(analyst), identifier(analyst.name)
        if analyst.name in known and analyst.name not in passwords:
            options = _options(role, analysts_from)
            out.append(f"ALTER USER {name} {options}")
        else:
            out.append(_create_user(role, passwords[analyst.name], analysts_from))
        if analyst.workspace:
            out.append(
                f"CREATE DATABASE IF NOT EXISTS {identifier(analyst.workspace)}"
                f" COMMENT {string(workspace_comment(analyst))}"
            )
        # The policy comes before the grants, so that the analyst never sees all rows.
        out.append(
            f"CREATE ROW POLICY OR REPLACE {name} ON {_EVENTS} USING {policy(analyst)} TO {name}"
        )
        out += _grants(role, in_a_cluster)
    for gone in sorted(set(known) - {analyst.name for analyst in analysts}):
        name = identifier(gone)
        out += [
            f"DROP USER IF EXISTS {name}",
            f"DROP ROW POLICY IF EXISTS {name} ON {_EVENTS}",
            f"KILL QUERY WHERE user = {string(gone)} ASYNC",
        ]
    if analysts:
        out.append(_quota(access().analyst.quota, [analyst.name for analyst in analysts]))
    return out


def _role_of(analyst: Analyst) -> Role:
    shared = access().workspace if analyst.workspace else access().analyst
    grants = [
        grant.replace("{workspace}", identifier(analyst.workspace)) for grant in shared.grants
    ]
    return Role(analyst.name, shared.profile, grants, shared.in_a_cluster, quota=shared.quota)


def _user(users: ElementTree.Element, role: Role, password: str | None) -> ElementTree.Element:
    user = ElementTree.SubElement(users, role.name)
    if role.name == "default":
        ElementTree.SubElement(user, "no_password")
    else:
        ElementTree.SubElement(user, "password_sha256_hex").text = _digest(password)
    networks = ElementTree.SubElement(user, "networks")
    for network in LOOPBACK if role.sign_in else ():
        ElementTree.SubElement(networks, "ip").text = network
    ElementTree.SubElement(user, "profile").text = role.profile
    ElementTree.SubElement(user, "quota").text = role.quota or "default"
    granted = ElementTree.SubElement(user, "grants")
    for grant in role.grants:
        ElementTree.SubElement(granted, "query").text = f"GRANT {grant}"
    return user


def _create_user(role: Role, password: str | None, networks: Sequence[str]) -> str:
    return (
        f"CREATE USER OR REPLACE {identifier(role.name)} IDENTIFIED WITH sha256_hash BY"
        f" '{_digest(password)}' {_options(role, networks)}"
    )


def _options(role: Role, networks: Sequence[str]) -> str:
    hosts = ", ".join(f"IP {string(network)}" for network in networks) if role.sign_in else "NONE"
    return f"HOST {hosts} SETTINGS PROFILE {string(role.profile)}"


def _grants(role: Role, in_a_cluster: bool) -> list[str]:
    """These grants and no others."""
    name = identifier(role.name)
    first, *more = role.grants + (role.in_a_cluster if in_a_cluster else [])
    return [f"GRANT {first} TO {name} WITH REPLACE OPTION", *(f"GRANT {g} TO {name}" for g in more)]


def _quota(name: str, holders: Sequence[str]) -> str:
    limits = access().quotas[name]
    by = "client_key, user_name" if limits.by_key else "user_name"
    return (
        f"CREATE QUOTA OR REPLACE {name} KEYED BY {by} FOR INTERVAL {limits.seconds} second"
        f" MAX queries = {limits.queries}, execution_time = {limits.execution_time}"
        f" TO {', '.join(identifier(holder) for holder in holders)}"
    )


def _digest(password: str | None) -> str:
    return _DIGEST_OF_NOTHING if password is None else hashlib.sha256(password.encode()).hexdigest()


def _setting(name: str, value: int | str | None, bounds: Bounds | None, constant: bool) -> str:
    parts = [name if value is None else f"{name} = {_value(value)}"]
    if constant:
        parts.append("CONST")
    if bounds is not None:
        if bounds.min is not None:
            parts.append(f"MIN {bounds.min}")
        if bounds.max is not None:
            parts.append(f"MAX {bounds.max}")
        parts.append("CHANGEABLE_IN_READONLY")
    return " ".join(parts)


def _value(value: int | str) -> str:
    return str(value) if isinstance(value, int) else string(value)
