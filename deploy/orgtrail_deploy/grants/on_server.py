"""The analysts that a ClickHouse server has, and making them equal to a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from orgtrail_deploy.errors import StackError
from orgtrail_schemas.access import Analyst, access, analysts_sql, workspace_comment

_PREFIX = "org_id IN ("


class Change(NamedTuple):
    """An analyst was granted an organization, or it was revoked. ``*`` means all of them.

    With a ``workspace`` it was that, and no organization.
    """

    analyst: str
    organization: str
    granted: bool
    workspace: str = ""


def analysts_of(client: Client) -> list[Analyst]:
    """The analysts of a server: their organizations, and their workspaces."""
    rows = client.query(
        "SELECT user_name, any(database) FROM system.grants"
        " WHERE access_type = 'CREATE VIEW' AND user_name IS NOT NULL GROUP BY user_name"
    ).result_rows
    workspaces = {row[0]: row[1] for row in rows}
    return [
        Analyst(name, organizations, workspaces.get(name) or "")
        for name, organizations in organizations_of_analysts(client).items()
    ]


def organizations_of_analysts(client: Client) -> dict[str, tuple[str, ...]]:
    """The users with an analyst's settings profile, and what their row policies let through."""
    # ClickHouse itself makes the user "ana:definer" for views that run with ana's grants.
    names = client.query(
        "SELECT user_name FROM system.settings_profile_elements WHERE inherit_profile IN"
        " {profiles:Array(String)} AND user_name IS NOT NULL"
        " AND NOT endsWith(user_name, ':definer') ORDER BY user_name",
        {"profiles": [access().analyst.profile, access().workspace.profile]},
    ).result_rows
    rows = client.query(
        "SELECT short_name, select_filter FROM system.row_policies"
        " WHERE database = 'audit' AND table = 'events'"
    ).result_rows
    policies = {row[0]: row[1] for row in rows}
    return {name: _organizations(client, policies.get(name)) for (name,) in names}


def _organizations(client: Client, condition: str | None) -> tuple[str, ...]:
    """What a policy lets through. The server itself reads its list of texts."""
    if condition == "1":
        return ("*",)
    if condition is None or not condition.startswith(_PREFIX):
        return ()
    inside = condition.removeprefix(_PREFIX).removesuffix(")")
    return tuple(client.query(f"SELECT [{inside}]").result_rows[0][0])


def changes_between(before: Sequence[Analyst], after: Sequence[Analyst]) -> list[Change]:
    """What is revoked and what is granted, by name, organization and workspace."""

    def held(analysts: Sequence[Analyst]) -> set[tuple[str, str, str]]:
        organizations = {(a.name, org, "") for a in analysts for org in a.organizations}
        return organizations | {(a.name, "", a.workspace) for a in analysts if a.workspace}

    old, new = held(before), held(after)
    return [
        *(Change(name, org, False, workspace) for name, org, workspace in sorted(old - new)),
        *(Change(name, org, True, workspace) for name, org, workspace in sorted(new - old)),
    ]


def _require_own_workspaces(client: Client, wanted: Sequence[Analyst]) -> None:
    """Check that no workspace is a database that was made for somebody or something else."""
    databases = client.query("SELECT name, comment FROM system.databases").result_rows
    comments = {row[0]: row[1] for row in databases}
    for analyst in wanted:
        own = workspace_comment(analyst)
        if comments.get(analyst.workspace, own) != own:
            raise StackError(
                f"the database {analyst.workspace} exists and was not made for {analyst.name}: drop"
                " it, or name another workspace. Nothing is applied yet"
            )


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
        StackError: a workspace is a database that was not made for its analyst.
        ClickHouseError: the server refuses a statement.
    """
    before = analysts_of(client)
    _require_own_workspaces(client, wanted)
    known = [analyst.name for analyst in before]
    for statement in analysts_sql(
        wanted, passwords, known, analysts_from=analysts_from, in_a_cluster=in_a_cluster
    ):
        client.command(statement)
    return changes_between(before, wanted)
