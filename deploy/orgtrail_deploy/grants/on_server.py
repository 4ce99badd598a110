"""The analysts that a ClickHouse server has, and making them equal to a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from orgtrail_schemas.access import Analyst, access, analysts_sql

_PREFIX = "org_id IN ("


class Change(NamedTuple):
    """An analyst was granted an organization, or it was revoked. ``*`` means all of them."""

    analyst: str
    organization: str
    granted: bool


def analysts_of(client: Client) -> list[Analyst]:
    """The analysts of a server: the users with the analysts' profile, and their row policies."""
    names = client.query(
        "SELECT user_name FROM system.settings_profile_elements"
        " WHERE inherit_profile = {profile:String} AND user_name IS NOT NULL ORDER BY user_name",
        {"profile": access().analyst.profile},
    ).result_rows
    rows = client.query(
        "SELECT short_name, select_filter FROM system.row_policies"
        " WHERE database = 'audit' AND table = 'events'"
    ).result_rows
    policies = {row[0]: row[1] for row in rows}
    return [Analyst(name, _organizations(client, policies.get(name))) for (name,) in names]


def _organizations(client: Client, condition: str | None) -> tuple[str, ...]:
    """What a policy lets through. The server itself reads its list of texts."""
    if condition == "1":
        return ("*",)
    if condition is None or not condition.startswith(_PREFIX):
        return ()
    inside = condition.removeprefix(_PREFIX).removesuffix(")")
    return tuple(client.query(f"SELECT [{inside}]").result_rows[0][0])


def changes_between(before: Sequence[Analyst], after: Sequence[Analyst]) -> list[Change]:
    """What is revoked and what is granted, by name and organization."""

    def pairs(analysts: Sequence[Analyst]) -> set[tuple[str, str]]:
        return {(a.name, organization) for a in analysts for organization in a.organizations}

    old, new = pairs(before), pairs(after)
    return [
        *(Change(name, organization, False) for name, organization in sorted(old - new)),
        *(Change(name, organization, True) for name, organization in sorted(new - old)),
    ]


def make_equal(
    client: Client,
    wanted: Sequence[Analyst],
    passwords: Mapping[str, str],
    *,
    analysts_from: Sequence[str],
    in_a_cluster: bool = False,
) -> list[Change]:
    """Make a server's analysts equal to these, and return what that changed.

    Raises:
        KeyError: a new analyst has no password.
        ClickHouseError: the server refuses a statement.
    """
    before = analysts_of(client)
    known = [analyst.name for analyst in before]
    for statement in analysts_sql(
        wanted, passwords, known, analysts_from=analysts_from, in_a_cluster=in_a_cluster
    ):
        client.command(statement)
    return changes_between(before, wanted)
