"""The CSV: the header and form of the golden file, harmless in a spreadsheet, and whole."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.events import datum
from tests.support.running import eventually

from orgtrail import Actor, Change, Context, Target

GOLDEN = Path(__file__).with_name("export.golden.csv")
AT = datetime(2026, 1, 1, tzinfo=UTC)
IDS = [f"01a208cf-14b6-738d-b743-00000000000{n}" for n in range(3)]


@pytest.fixture(scope="module")
def exported(running):
    at = datetime.now(UTC).replace(microsecond=456_000) - timedelta(hours=1)
    mail = '=HYPERLINK("http://x")@x'
    with running.producer() as producer:
        producer.emit(
            "org.user.role.updated",
            org_id="csv",
            actor=Actor(id="u-1", email="alice@x", name='Alice "A", Moreau'),
            targets=[
                Target(type="user", id="u-2", email="bob@x", name="Bob"),
                Target(type="user", id="u-3", email="", name="Zoë\nNewline"),
            ],
            changes=[
                Change(field="role", old="member", new="admin"),
                Change(field="name", old=None, new="Robert"),
            ],
            context=Context(
                ip="80.67.169.12", user_agent="@SUM(1)", service="accounts", request_id="-1"
            ),
            event_id=IDS[0],
            occurred_at=at,
        )
        producer.emit(
            "user.login",
            org_id="csv",
            actor=Actor(id="+1", email=mail, name="\t=1+1"),
            impersonator=Actor(type="support", id="s", email="-sam@x"),
            event_id=IDS[1],
            occurred_at=at - timedelta(minutes=1),
        )
        producer.emit(
            "shop.order.paid",
            org_id="csv",
            actor=Actor(type="system", name="Cron"),
            outcome="failure",
            event_id=IDS[2],
            occurred_at=at - timedelta(minutes=2),
        )
    running.wait_for("csv", 3)
    return at, running.get(
        "/v1/orgs/csv/events/export.csv", org="csv", exclude_event="org.audit-log.*"
    )


def test_it_is_the_golden_file(exported):
    at, answer = exported
    text = answer.text
    for minutes in range(3):
        moment = at - timedelta(minutes=minutes)
        shown = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = text.replace(shown, f"T-{minutes}")
    assert text == GOLDEN.read_text("utf-8"), text


def test_it_is_a_download_of_the_organization(exported):
    headers = exported[1].headers
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"].startswith('attachment; filename="audit-log-csv-2')


def test_no_cell_is_a_formula(exported):
    for row in csv.reader(io.StringIO(exported[1].text, newline="")):
        assert not [
            cell for cell in row if cell.lstrip("\n").startswith(("=", "+", "-", "@", "\t"))
        ]


def test_it_takes_the_filters_of_the_list(running, exported):
    link = "/v1/orgs/csv/events/export.csv"
    rows = list(csv.DictReader(io.StringIO(running.get(link, org="csv", user="bob@x").text)))
    assert [row["event_id"] for row in rows] == IDS[:1]
    assert running.get(link, org="csv", limit=3).status_code == 400


def test_null_and_empty_are_told_apart(running):
    with running.producer() as producer:
        producer.emit(
            "org.user.role.updated",
            org_id="csv-null",
            actor=Actor(id="u-1"),
            changes=[
                Change(field="role", old=None, new=""),
                Change(field="name", old="", new=None),
            ],
        )
    running.wait_for("csv-null", 1)
    link = "/v1/orgs/csv-null/events/export.csv"
    text = running.get(link, org="csv-null", event="org.user.role.updated").text
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert json.loads(row["changes"]) == [
        {"field": "role", "old": None, "new": ""},
        {"field": "name", "old": "", "new": None},
    ]


@pytest.mark.parametrize("letter", ["x", "😀"])
def test_a_cell_that_no_spreadsheet_holds_is_marked(running, letter):
    org = f"csv-long-{len(letter.encode())}"
    targets = [Target(type="user", id=f"u-{n}", name=letter * 1000) for n in range(40)]
    details = {f"k{n}": letter * 1000 for n in range(40)}
    with running.producer() as producer:
        producer.emit(
            "org.user.role.updated", org_id=org, actor=Actor(id="u-1"), targets=targets,
            metadata=details,
        )  # fmt: skip
    running.wait_for(org, 1)
    answer = running.get(
        f"/v1/orgs/{org}/events/export.csv", org=org, event="org.user.role.updated"
    )
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert all(len(cell.encode("utf-16-le")) // 2 <= 32_767 for cell in row.values())
    assert row["target_name"].startswith(letter * 1000 + "\n")
    assert row["target_name"].endswith("… (cut: 40039 characters; JSON Lines has all)")
    assert "orgtrail.cut" in json.loads(row["metadata"])
    line = running.get(
        f"/v1/orgs/{org}/events/export.jsonl", org=org, event="org.user.role.updated"
    ).text
    assert len(json.loads(line)["targets"]) == 40


def test_an_export_without_events_has_its_header(running):
    text = running.get("/v1/orgs/none/events/export.csv", org="none").text
    assert text == GOLDEN.read_text("utf-8").splitlines()[0] + "\n"


def test_more_rows_than_a_page(running):
    for _ in range(1500):
        running.raw._producer.produce("audit.events.v1", datum(org_id="many"), b"many")
    running.raw._producer.flush(20)
    running.wait_for("many", 1000)

    def lines():
        link = "/v1/orgs/many/events/export.csv"
        text = running.get(link, org="many", exclude_event="org.audit-log.*").text
        return len(text.splitlines()) == 1501

    eventually(lines)
