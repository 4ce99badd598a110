"""What ``orgtrail check`` asks ClickHouse, as a user who may read no event."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from orgtrail_deploy.check.findings import Finding, failed, note, ok, unknown
from orgtrail_deploy.check.settings import CheckSettings
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.grants.analysts_file import read_analysts
from orgtrail_deploy.grants.on_server import analysts_of, changes_between
from orgtrail_deploy.settled import Settled, settled
from orgtrail_schemas.access import Role, access
from orgtrail_schemas.catalogue import catalogue
from orgtrail_schemas.limits import RETENTION, RETENTION_DAYS
from orgtrail_schemas.shards import SHARDING_KEY
from orgtrail_schemas.sql import identifier, string
from orgtrail_schemas.tables import event_columns, migrations_folder

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

OLDEST = (26, 9)
"""The oldest version of ClickHouse that works."""

MOST_SKEW_S = 5
"""Idle partitions are reported complete up to the worker's clock less this margin
(``ORGTRAIL_IDLE_MARGIN_S``)."""

MOST_BEHIND_S = 60
_WEEK = timedelta(days=7)
_MIGRATE = "run orgtrail migrate"
_ASTRAY = """
SELECT uniqExactIf(org_id, {key} % {{shards:UInt32}} != {{position:UInt32}})
FROM audit.events_store
"""
_ACCESS = "run orgtrail access --apply"


def clickhouse_findings(client: Client, settings: CheckSettings) -> Iterator[Finding]:
    """Version, tables, users, disk and freshness, each question once.

    Raises:
        ClickHouseError: the server does not answer, or refuses the user something.
    """
    yield judge_version(client.server_version or "")
    yield _clock(client)
    yield _migrations(client)
    rows = client.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = 'audit'"
    ).result_rows
    tables = {str(name): str(query) for name, query in rows}
    if "events_store" not in tables or "events" not in tables:
        yield failed("table audit.events", "there is none", _MIGRATE)
        return
    yield judge_retention(tables["events_store"], _oldest_week(client), datetime.now(UTC).date())
    yield _view(client, tables["events"])
    yield from _mutations(client)
    yield from _users(client, in_a_cluster=bool(settings.clickhouse_cluster))
    yield _analysts(client, settings)
    yield from _disks(client)
    yield judge_freshness(settled(client), datetime.now(UTC))


def judge_version(version: str) -> Finding:
    """Whether ClickHouse is new enough."""
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if found < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return failed("version", version, f"upgrade ClickHouse to {wanted} or later")
    return ok("version", version)


def _clock(client: Client) -> Finding:
    before = datetime.now(UTC)
    ((there,),) = client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows
    return judge_clock(
        "clock of ClickHouse",
        datetime.fromtimestamp(there / 1000, UTC),
        (before, datetime.now(UTC)),
    )


def judge_clock(question: str, there: datetime, here: tuple[datetime, datetime]) -> Finding:
    """Whether a clock agrees with this machine's, which was read before and after."""
    before, after = here
    off = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    if off > MOST_SKEW_S:
        return failed(question, f"{off:.1f} s off", "synchronize the clocks (NTP)")
    return ok(question, f"at most {off + (after - before).total_seconds():.1f} s off")


def _migrations(client: Client) -> Finding:
    known = client.query(
        "SELECT count() FROM system.tables WHERE database = 'audit' AND name = 'schema_versions'"
    ).result_rows
    applied: set[int] = set()
    if known[0][0]:
        rows = client.query("SELECT version FROM audit.schema_versions").result_rows
        applied = {int(version) for (version,) in rows}
    ours = {int(file.name.partition("_")[0]) for file in migrations_folder().glob("*.sql")}
    return judge_migrations(applied, ours)


def judge_migrations(applied: set[int], ours: set[int]) -> Finding:
    """Whether the tables are those of this version."""
    if missing := sorted(ours - applied):
        return failed("migrations", f"{_numbers(missing)} not applied", _MIGRATE)
    if newer := sorted(applied - ours):
        return failed(
            "migrations", f"{_numbers(newer)} of a newer Orgtrail", "upgrade this installation"
        )
    return ok("migrations", f"all {len(ours)} applied")


def _numbers(versions: Sequence[int]) -> str:
    return ", ".join(f"{version:04}" for version in versions)


def _oldest_week(client: Client) -> date | None:
    ((oldest,),) = client.query(
        # A part of which all rows are deleted stays for a moment.
        "SELECT min(partition) FROM system.parts WHERE active AND rows > 0"
        " AND database = 'audit' AND table = 'events_store'"
    ).result_rows
    return date.fromisoformat(oldest) if oldest else None


def judge_retention(table: str, oldest_week: date | None, today: date) -> Finding:
    """Whether old events are deleted. A week is dropped when its last event is past the TTL."""
    if not re.search(rf"TTL .*\b{RETENTION_DAYS}\b", table):
        return failed(
            "retention",
            f"the TTL is not {RETENTION_DAYS} days",
            f"ALTER TABLE audit.events_store MODIFY TTL toDateTime(occurred_at)"
            f" + INTERVAL {RETENTION_DAYS} DAY",
        )
    if oldest_week is None:
        return ok("retention", f"{RETENTION_DAYS} days; nothing is stored yet")
    # Merges look for what is past the TTL every four hours.
    if today > oldest_week + _WEEK + RETENTION + timedelta(days=2):
        return failed(
            "retention",
            f"events of the week of {oldest_week} are still stored",
            "see whether merges run: SELECT * FROM system.merges",
        )
    return ok("retention", f"{RETENTION_DAYS} days; the oldest week is that of {oldest_week}")


def _view(client: Client, view: str) -> Finding:
    names = client.query(
        "SELECT name FROM system.columns WHERE database = 'audit' AND table = 'events'"
        " ORDER BY position"
    ).result_columns
    return judge_view(list(names[0]) if names else [], view)


def judge_view(columns: Sequence[str], view: str) -> Finding:
    """Whether ``audit.events`` is the view of this version."""
    if list(columns) != [column.name for column in event_columns()]:
        return failed("view audit.events", "it has the columns of another version", _MIGRATE)
    unnamed = [key for key in catalogue().events if string(key) not in view]
    if unnamed:
        return failed("view audit.events", f"{unnamed[0]} has no name in it", _MIGRATE)
    return ok("view audit.events", f"{len(columns)} columns, {len(catalogue().events)} event types")


def _mutations(client: Client) -> Iterator[Finding]:
    ((running, failing),) = client.query(
        "SELECT count(), anyIf(latest_fail_reason, latest_fail_reason != '')"
        " FROM system.mutations WHERE database = 'audit' AND NOT is_done"
    ).result_rows
    if failing:
        yield failed("mutations", failing.splitlines()[0][:120], "see system.mutations")
    elif running:
        yield note("mutations", f"{running} of a migration are still running")


def _users(client: Client, *, in_a_cluster: bool) -> Iterator[Finding]:
    names = {name for (name,) in client.query("SELECT name FROM system.users").result_rows}
    wanted = [role.name for role in access().role]
    missing = [name for name in wanted if name not in names]
    if missing:
        yield failed("service users", f"{', '.join(missing)} missing", _ACCESS)
        return
    different = [role.name for role in access().role if not _as_ours(client, role, in_a_cluster)]
    if different:
        yield failed("service users", f"other grants than ours: {', '.join(different)}", _ACCESS)
    else:
        yield ok("service users", f"{len(wanted)}, each with its grants and no others")
    yield from _readers(client, set(wanted))


def _as_ours(client: Client, role: Role, in_a_cluster: bool) -> bool:
    grants = role.grants + (role.in_a_cluster if in_a_cluster else [])
    wanted = {part for grant in grants for part in privileges(grant)}
    return _grants(client, role.name) == wanted


def _grants(client: Client, user: str) -> set[str]:
    rows = client.query(f"SHOW GRANTS FOR {identifier(user)}").result_rows
    return {part for (text,) in rows for part in privileges(text)}


def privileges(grant: str) -> set[str]:
    """Each privilege of ``GRANT a, b ON x TO user``, as ``a ON x``."""
    text = re.sub(r"\s+", " ", grant.removeprefix("GRANT ").partition(" TO ")[0])
    what, _, where = text.rpartition(" ON ")
    return {f"{part.strip()} ON {where}" for part in re.split(r",(?![^(]*\))", what)}


def _readers(client: Client, services: set[str]) -> Iterator[Finding]:
    """Whoever may read the view and has no row policy of their own reads it whole."""
    rows = client.query(
        "SELECT short_name, apply_to_all FROM system.row_policies"
        " WHERE database = 'audit' AND table = 'events'"
    ).result_rows
    if any(to_all for _, to_all in rows):
        yield ok("users without a row policy", "read nothing")
        return
    with_policy = {name for name, _ in rows}
    readers = client.query(
        "SELECT DISTINCT user_name FROM system.grants WHERE user_name IS NOT NULL"
        " AND access_type IN ('SELECT', 'ALL') AND (database IS NULL OR database = 'audit')"
        " AND (table IS NULL OR table = 'events') ORDER BY user_name"
    ).result_rows
    others = [name for (name,) in readers if name not in services | with_policy]
    if others:
        seen = f"{', '.join(others)} may read all organizations"
        yield failed("users without a row policy", seen, _ACCESS)
    else:
        yield ok("users without a row policy", "none")


def _analysts(client: Client, settings: CheckSettings) -> Finding:
    there, file = analysts_of(client), settings.analysts_file
    if not file.exists():
        seen = ", ".join(analyst.name for analyst in there) or "none"
        return unknown("analysts", f"there is no {file.name} to compare with: {seen}")
    try:
        wanted = read_analysts(file)
    except StackError as error:
        return failed("analysts", str(error), "correct the file")
    changes = changes_between(there, wanted)
    if changes:
        seen = f"{len(changes)} differences from {file.name}"
        return failed("analysts", seen, "orgtrail grants shows them, --apply makes them equal")
    return ok("analysts", f"{len(wanted)}, as in {file.name}")


def shard_findings(client: Client, position: int, shards: int) -> Iterator[Finding]:
    """Whether a shard's organizations belong there: with other shards, readers look elsewhere.

    Raises:
        ClickHouseError: the server does not answer.
    """
    ((astray,),) = client.query(
        _ASTRAY.format(key=SHARDING_KEY), {"shards": shards, "position": position}
    ).result_rows
    question = "organizations of this shard"
    if astray:
        seen = f"{astray} belong to another shard: nobody can read their events here"
        yield failed(question, seen, "give ORGTRAIL_CLICKHOUSE_SHARDS the order that it had")
    else:
        yield ok(question, f"none belongs to another; it is number {position + 1} of {shards}")


def _disks(client: Client) -> Iterator[Finding]:
    weeks = {
        date.fromisoformat(week): size
        for week, size in client.query(
            "SELECT partition, sum(bytes_on_disk) FROM system.parts WHERE active"
            " AND database = 'audit' AND table = 'events_store' GROUP BY partition"
        ).result_rows
    }
    rows = client.query(
        "SELECT name, unreserved_space FROM system.disks WHERE name IN (SELECT DISTINCT disk_name"
        " FROM system.parts WHERE active AND database = 'audit')"
        " OR name = 'default' ORDER BY name"
    ).result_rows
    for name, free in rows:
        yield judge_disk(name, free, weeks, datetime.now(UTC))


def judge_disk(name: str, free: int, weeks: dict[date, int], now: datetime) -> Finding:
    """Whether what is still to come until the retention is full has room.

    ``weeks`` has the bytes stored of each week by its Monday. The last whole week is the measure;
    before there is one, this week so far.
    """
    question = f"disk {name}"
    this = now.date() - timedelta(days=now.weekday())
    elapsed = now - datetime(this.year, this.month, this.day, tzinfo=UTC)
    week = weeks.get(this - _WEEK, 0) or int(weeks.get(this, 0) * (_WEEK / elapsed))
    # The week that is being dropped and merges, which write a part before they drop its sources.
    full = int(week * (RETENTION / _WEEK + 1) * 1.2)
    to_come = max(0, full - sum(weeks.values()))
    seen = f"{_size(free)} free, about {_size(to_come)} more until {RETENTION_DAYS} days are full"
    if to_come > free:
        return failed(question, seen, "add disk, or a volume to the storage policy")
    return ok(question, seen)


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def judge_freshness(found: Settled, now: datetime) -> Finding:
    """Whether readers see what was received a minute ago."""
    if not found.complete:
        return failed(
            "freshness",
            f"{found.reported} of {found.partitions or 'no'} partitions have reported",
            "see whether orgtrail consume runs",
        )
    behind = max(0.0, (now - found.through).total_seconds())
    seen = f"everything received until {behind:.0f} s ago is stored"
    if behind > MOST_BEHIND_S:
        return failed("freshness", seen, "look at the consumers: /readyz and their log")
    return ok("freshness", seen)
