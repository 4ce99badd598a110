"""Many stored events, made by ClickHouse itself: how they came there is not what is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from clickhouse_connect.driver.client import Client

from orgtrail_schemas.catalogue import catalogue

LARGEST = "org-0"
"""The organization with the most events: 8 % of all."""
RARE = "rare@example.org"
ORDINARY = "person100@org0.example"
_AT_ONCE = 1_000_000


def fill(
    client: Client,
    count: int,
    now: datetime,
    *,
    days: int = 89,
    told: Callable[[int], None] = lambda _done: None,
) -> None:
    """Store so many events of the last days, and the people in them."""
    known = [event for event in catalogue().events.values() if not event.own]
    # As in the other benchmarks: signing in and out are ten times as frequent.
    drawn = [e for e in known for _ in range(10 if e.key.startswith("user.log") else 1)]
    sql = Path(__file__).with_name("rows.sql").read_text("utf-8")
    for first in range(0, count, _AT_ONCE):
        parameters = {
            "events": [event.key for event in drawn],
            "levels": [event.level for event in drawn],
            "newest": int(now.timestamp() * 1000),
            "days": days,
            # Fifty in all, four of them in the largest organization.
            "rare": max(100, count // 50),
            "first": first,
            "count": min(_AT_ONCE, count - first),
        }
        client.command(sql, parameters, settings={"optimize_on_insert": 0, "max_insert_threads": 2})
        told(first)
    client.command(
        "INSERT INTO audit.people SELECT org_id, actor_type, actor_id, actor_email,"
        " any(actor_name), max(occurred_at), max(occurred_at), argMax(event_id, occurred_at)"
        " FROM audit.events_store GROUP BY ALL"
    )


_UNMERGED = "max_bytes_to_merge_at_max_space_in_pool"


@contextmanager
def merged_at_the_end(client: Client) -> Iterator[None]:
    """Let parts be while they are filled; then merge each partition into one, as merges do in time.

    One after the other: at 100 M rows a merge reads 200 parts of 80 files each.
    """
    client.command(f"ALTER TABLE audit.events_store MODIFY SETTING {_UNMERGED} = 1")
    yield
    client.command("OPTIMIZE TABLE audit.events_store FINAL")
    client.command("OPTIMIZE TABLE audit.people FINAL")
    client.command(f"ALTER TABLE audit.events_store RESET SETTING {_UNMERGED}")
