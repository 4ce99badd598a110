"""The questions that data teams ask, in plain SQL as an analyst, as docs/data-teams.md shows them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.running import eventually

from orgtrail import Actor, Change, Context, Target
from orgtrail_deploy.local.secrets import ANALYST

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "data-teams.md"
NOW = datetime.now(UTC)


def query(title):
    """The query below a heading of the guide: what is documented is what is tested."""
    return re.search(rf"## {title}\n.*?```sql\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)[1]


@pytest.fixture(scope="module", autouse=True)
def events(running):
    alice = Actor(id="u-1", email="alice@globex.example")
    with running.producer() as producer:
        for ip, outcome in (
            ("80.67.169.12", "failure"),
            ("80.67.169.12", "failure"),
            ("8.8.8.8", "failure"),
            ("8.8.8.8", "success"),
        ):
            producer.emit(
                "user.login",
                org_id="acme",
                actor=alice,
                outcome=outcome,
                context=Context(ip=ip),
                metadata={"method": "analyst-test"},
            )
        producer.emit(
            "org.user.role.updated",
            org_id="acme",
            actor=alice,
            targets=[Target(type="user", id="u-2", email="analyst-target@x")],
            changes=[Change(field="role", old="member", new="admin")],
        )
        history(producer)
    eventually(lambda: len(running.events("acme", user="u-dormant", limit=1000)) == 1)
    eventually(lambda: len(running.events("globex", actor="u-support", limit=1000)) == 4)
    running.wait_for("acme", 5)


NIGHT = (NOW - timedelta(days=20)).replace(hour=1, minute=30)


def history(producer):
    """What happened weeks ago, oldest first."""

    def emit(event, days, org="acme", actor="u-history", target=None, **more):
        more.setdefault("occurred_at", NOW - timedelta(days=days))
        if target:
            more["targets"] = [Target(type=target[0], id=target[1])]
        producer.emit(event, org_id=org, actor=Actor(id=actor, email=f"{actor}@x"), **more)

    admin = [Change(field="role", old="member", new="admin")]
    emit("org.user.role.updated", 45, target=("user", "u-dormant"), changes=admin)
    emit("org.user.role.updated", 45, target=("user", "u-busy"), changes=admin)
    emit("user.login", 1, actor="u-busy", context=Context(ip="8.8.8.8"))
    for account, events in {
        "s-old": ["created"],
        "s-rotated": ["created", "access-key.regenerated"],
        "s-gone": ["created", "deleted"],
    }.items():
        for n, event in enumerate(events):
            emit(f"org.service-account.{event}", 40 - n, target=("service_account", account))
    emit("org.service-account.created", 2, target=("service_account", "s-new"))
    emit("user.login", 10, actor="u-travels", context=Context(ip="8.8.8.8"))
    emit("user.login", 9, actor="u-travels", context=Context(ip="8.8.8.8"))
    emit("user.login", 5, actor="u-travels", context=Context(ip="80.67.169.12"))
    for days, event in ((8, "granted"), (7, "revoked"), (3, "granted")):
        target = ("organization", "globex")
        emit(f"org.support-access.{event}", days, org="globex", actor="u-support", target=target)
    emit(
        "org.details.updated", 20, occurred_at=NIGHT, actor="u-night",
        target=("organization", "acme"), changes=[Change(field="name", old="a", new="b")],
    )  # fmt: skip
    emit(
        "org.audit-log.exported", 4, actor="u-exports", target=("organization", "acme"),
        metadata={"format": "parquet", "filters": "event=user.login"},
    )  # fmt: skip
    emit("user.login", 0, org="globex", actor="u-support")


def answer(running, title):
    """The rows by name."""
    result = running.client(ANALYST.name).query(query(title))
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def test_who_exported_what(running):
    mine = [r for r in answer(running, "Who exported what") if r["actor_email"] == "u-exports@x"]
    assert [(r["format"], r["filters"]) for r in mine] == [("parquet", "event=user.login")]


def test_dormant_administrators(running):
    people = {row["person"] for row in answer(running, "Dormant administrators")}
    assert "u-dormant" in people
    assert "u-busy" not in people


def test_access_keys_that_were_never_rotated(running):
    found = {r["account"] for r in answer(running, "Access keys that were never rotated")}
    assert found & {"s-old", "s-rotated", "s-gone", "s-new"} == {"s-old"}


def test_first_sign_in_from_a_new_country(running):
    rows = answer(running, "First sign-in from a new country")
    mine = [row for row in rows if row["actor_id"] == "u-travels"]
    assert [(row["country"], row["first_seen"].date()) for row in mine] == [
        ("FR", (NOW - timedelta(days=5)).date())
    ]


def test_support_access_windows(running):
    rows = answer(running, "Support access windows")
    mine = [row for row in rows if row["granted_by"] == "u-support@x"]
    open_, closed = mine
    assert open_["revoked_at"] is None
    assert closed["revoked_at"].date() == (NOW - timedelta(days=7)).date()


def test_changes_outside_office_hours(running):
    rows = answer(running, "Changes outside office hours")
    mine = [row for row in rows if row["actor_email"] == "u-night@x"]
    assert [row["changes.field"] for row in mine] == [["name"]]
    for row in rows:
        berlin = row["occurred_at"].replace(tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
        assert not (7 <= berlin.hour <= 18 and berlin.isoweekday() <= 5), row


def test_top_actors(running):
    rows = answer(running, "Top actors")
    counts = [row["events"] for row in rows if row["org_id"] == "acme"]
    assert counts == sorted(counts, reverse=True)
    assert "u-history" not in {row["actor_id"] for row in rows if row["events"] > 1}
    (busy,) = [row for row in rows if row["actor_id"] == "u-busy"]
    assert busy["events"] == 1


def test_every_recipe_is_tried_here():
    titles = re.findall(
        r"^## (.+)\n(?:(?!^## )[\s\S])*?```sql", GUIDE.read_text("utf-8"), re.MULTILINE
    )
    text = Path(__file__).read_text("utf-8")
    assert len(titles) == 10
    assert [title for title in titles if f'"{title}"' not in text] == []


def test_failed_sign_ins_by_country(running):
    rows = running.sql(query("Failed sign-ins by country"), user=ANALYST.name)
    counts = dict(rows)
    assert counts["FR"] >= 2
    assert counts["US"] >= 1


def test_role_changes_with_old_and_new_value(running):
    rows = running.sql(query("Role changes, with old and new value"), user=ANALYST.name)
    mine = [row for row in rows if "analyst-target@x" in row]
    assert [row[-2:] for row in mine] == [("member", "admin")]
    assert mine[0][2] == "alice@globex.example"


def test_events_per_organization_and_day(running):
    rows = running.sql(query("Events per organization and day"), user=ANALYST.name)
    assert {row[0] for row in rows} <= {"acme", "globex"}
    today = [
        row[2] for row in rows if row[0] == "acme" and row[1] >= (NOW - timedelta(days=1)).date()
    ]
    assert sum(today) >= 5
