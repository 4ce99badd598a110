"""Users, roles, grants, row policies and profiles of ClickHouse, from ``access.toml``.

One file, two forms: ``users.xml`` for a server whose access storage is a file, and ``access.sql``
for a real one. Passwords appear only as SHA-256 digests.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from xml.etree import ElementTree

import msgspec

_Settings = dict[str, int | str]


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role with its profile; ``grants`` are written as after ``GRANT``."""

    name: str
    profile: str
    grants: list[str]


class AnalystRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every analyst gets, beside a row policy of their own."""

    profile: str
    grants: list[str]


class Analyst(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One analyst and the organisations that an operator granted.

    ``organizations`` is empty until something is granted, and ``["*"]`` for all of them.
    """

    name: str
    organizations: tuple[str, ...] = ()


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parsed ``access.toml``."""

    profiles: dict[str, _Settings]
    role: list[Role]
    analyst: AnalystRole


@cache
def access() -> Access:
    """The access data that ships with this version."""
    return msgspec.toml.decode(files(__package__).joinpath("access.toml").read_bytes(), type=Access)


def policy(analyst: Analyst) -> str:
    """The row policy of an analyst on ``audit.events``: deny first."""
    if "*" in analyst.organizations:
        return "1"
    if not analyst.organizations:
        return "0"
    return f"org_id IN ({', '.join(_quote(org) for org in analyst.organizations)})"


def users_xml(passwords: dict[str, str], analysts: list[Analyst]) -> str:
    """The users file of a local server.

    ``passwords`` holds one for each role and each analyst, by name. The ``default`` user keeps
    only what the server's own keep-alive query needs: on loopback anyone can be it.

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
    quotas = ElementTree.SubElement(root, "quotas")
    ElementTree.SubElement(quotas, "default")
    users = ElementTree.SubElement(root, "users")
    _user(users, "default", None, "default", ["SYSTEM LISTEN ON *.*", "SELECT ON system.numbers"])
    for role in access().role:
        _user(users, role.name, passwords[role.name], role.profile, role.grants)
    for analyst in analysts:
        shared = access().analyst
        user = _user(users, analyst.name, passwords[analyst.name], shared.profile, shared.grants)
        databases = ElementTree.SubElement(user, "databases")
        table = ElementTree.SubElement(ElementTree.SubElement(databases, "audit"), "events")
        ElementTree.SubElement(table, "filter").text = policy(analyst)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def access_sql(passwords: dict[str, str], analysts: list[Analyst]) -> list[str]:
    """The statements that give a real server the same users, one after the other.

    They may be run again: ``OR REPLACE`` keeps them in step with the file.

    Raises:
        KeyError: a password is missing.
    """
    out: list[str] = []
    for name, settings in access().profiles.items():
        pairs = ", ".join(f"{key} = {_value(value)}" for key, value in settings.items())
        out.append(f"CREATE SETTINGS PROFILE OR REPLACE {name} SETTINGS {pairs}")
    for role in access().role:
        out += _sql_user(role.name, passwords[role.name], role.profile, role.grants)
    # The services' own readers see all rows: the query service adds the organisation predicate.
    open_to = ", ".join(("audit_reader", "audit_export", "audit_migrator"))
    out.append(f"CREATE ROW POLICY OR REPLACE services ON audit.events USING 1 TO {open_to}")
    for analyst in analysts:
        shared = access().analyst
        # The policy comes before the user can sign in.
        statements = _sql_user(analyst.name, passwords[analyst.name], shared.profile, shared.grants)
        name = _name(analyst.name)
        rule = (
            f"CREATE ROW POLICY OR REPLACE {name} ON audit.events USING {policy(analyst)} TO {name}"
        )
        out += [statements[0], rule, *statements[1:]]
    return out


def _user(
    users: ElementTree.Element, name: str, password: str | None, profile: str, grants: list[str]
) -> ElementTree.Element:
    user = ElementTree.SubElement(users, name)
    if password is None:
        ElementTree.SubElement(user, "no_password")
    else:
        ElementTree.SubElement(user, "password_sha256_hex").text = _digest(password)
    networks = ElementTree.SubElement(user, "networks")
    ElementTree.SubElement(networks, "ip").text = "127.0.0.1"
    ElementTree.SubElement(networks, "ip").text = "::1"
    ElementTree.SubElement(user, "profile").text = profile
    ElementTree.SubElement(user, "quota").text = "default"
    granted = ElementTree.SubElement(user, "grants")
    for grant in grants:
        ElementTree.SubElement(granted, "query").text = f"GRANT {grant}"
    return user


def _sql_user(name: str, password: str, profile: str, grants: list[str]) -> list[str]:
    quoted = _name(name)
    return [
        f"CREATE USER OR REPLACE {quoted} IDENTIFIED WITH sha256_hash BY '{_digest(password)}'"
        f" SETTINGS PROFILE {_quote(profile)}",
        *(f"GRANT {grant} TO {quoted}" for grant in grants),
    ]


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _value(value: int | str) -> str:
    return str(value) if isinstance(value, int) else _quote(value)


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _name(text: str) -> str:
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"
