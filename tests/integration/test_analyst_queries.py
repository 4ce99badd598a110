"""Three questions that data teams ask, in plain SQL as an analyst. The README shows them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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
    running.wait_for("acme", 5)


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
