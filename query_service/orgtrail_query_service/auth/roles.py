"""Which organizations a person may read: from the claim with their roles, in whatever shape."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from orgtrail_schemas.catalogue import UNASSIGNED_ORG
from orgtrail_schemas.limits import ORG_ID

MISSING = object()
"""What ``find_claim`` returns for a claim that is not there."""


class UnknownShapeError(Exception):
    """The claim is neither of the shapes; the text tells its shape, and no value."""


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of a name; a name with dots may also lead into claims within claims.

    Names such as ``https://example.com/roles`` contain dots and slashes themselves, so the longest
    part of the name that is a claim is tried first.
    """
    if name in claims:
        return claims[name]
    for at in reversed([i for i, character in enumerate(name) if character == "."]):
        within = claims.get(name[:at])
        if isinstance(within, Mapping):
            found = find_claim(within, name[at + 1 :])
            if found is not MISSING:
                return found
    return MISSING


def organizations_with(bound: Any, roles: Container[str]) -> tuple[str, ...]:
    """The organizations for which ``bound``, a claim's value, has one of the roles.

    It maps an organization to its roles, or lists ``organization:role``, in a list or in a text
    separated by spaces. An organization's roles are a list, a text separated by spaces, a map of a
    role to ``true``, or a map with such ``roles``.

    Raises:
        UnknownShapeError: it has another shape; it grants nothing.
    """
    if isinstance(bound, Mapping):
        pairs = [(org, role) for org, held in bound.items() for role in _roles(held)]
    else:
        pairs = []
        for item in _texts(bound):
            org, _, role = item.rpartition(":")
            pairs.append((org, role))
    # Events without an organization are for nobody here. And reading an organization whose ID the
    # SDK rejects could not be recorded.
    found = [
        org
        for org, role in pairs
        if role in roles and org != UNASSIGNED_ORG and ORG_ID.fullmatch(org)
    ]
    return tuple(dict.fromkeys(found))


def _roles(held: Any) -> list[str]:
    if isinstance(held, Mapping):
        if "roles" in held:
            return _roles(held["roles"])
        return [role for role, value in held.items() if value is True]
    return _texts(held)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split()
    if not isinstance(value, list):
        raise UnknownShapeError(type(value).__name__)
    others = sorted({type(item).__name__ for item in value if not isinstance(item, str)})
    if others:
        raise UnknownShapeError(f"list of {', '.join(others)}")
    return value
