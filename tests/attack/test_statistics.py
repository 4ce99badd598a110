"""What a query costs must not tell an analyst whether a value occurs in another organization.

Rows of several organizations share granules, parts and partitions. Row policies hide the rows, but
ClickHouse reports how many rows and bytes a query read, and estimates it.
"""

import re
import time

import pytest
from tests.attack.conftest import TALLY
from tests.support.events import datum, record
from tests.support.running import eventually

from orgtrail_deploy.local.secrets import ANALYST

GRANTED = "acme"
NEIGHBOUR = "acme-neighbour"
"""Sorted directly behind the granted one, so that they share a granule."""

HIDDEN = {
    "actor_id": "u-hidden",
    "actor_email": "hidden@neighbour.example",
    "ip": "198.51.100.77",
    "session_id": "s-hidden",
    "request_id": "r-hidden",
    "event": "hidden.event.happened",
    "event_id": record()["event_id"],
}
ABSENT = {
    "actor_id": "u-absent",
    "actor_email": "absent@neighbour.example",
    "ip": "198.51.100.78",
    "session_id": "s-absent",
    "request_id": "r-absent",
    "event": "absent.event.happened",
    "event_id": record()["event_id"],
}


@pytest.fixture(scope="module", autouse=True)
def neighbours(running):
    hidden = record(
        org_id=NEIGHBOUR,
        event_id=HIDDEN["event_id"],
        actor={
            "type": "user",
            "id": HIDDEN["actor_id"],
            "email": HIDDEN["actor_email"],
            "name": "",
        },
    )
    hidden["context"] |= {name: HIDDEN[name] for name in ("ip", "session_id", "request_id")}
    before = stored(running, GRANTED)
    for _ in range(40):
        running.raw.send(datum(org_id=GRANTED), GRANTED.encode())
    running.raw.send(datum(**hidden | {"event": HIDDEN["event"]}), NEIGHBOUR.encode())
    eventually(lambda: stored(running, NEIGHBOUR) and stored(running, GRANTED) >= before + 40)
    # As merges do in time: one part, in which the two share a granule.
    running.client("audit_migrator").command("OPTIMIZE TABLE audit.events_store FINAL")


def stored(running, org):
    """Asked for by SQL: reading by the service is an event of the organization itself."""
    return running.sql(
        "SELECT count() FROM audit.events_store WHERE org_id = {org:String}", org=org
    )[0][0]


QUESTIONS = [
    "SELECT count() FROM audit.events WHERE {where}",
    "SELECT * FROM audit.events WHERE {where}",
    "SELECT count() FROM audit.events WHERE {where} AND org_id = '" + NEIGHBOUR + "'",
    "EXPLAIN ESTIMATE SELECT * FROM audit.events WHERE {where}",
    "EXPLAIN indexes = 1 SELECT * FROM audit.events WHERE {where}",
]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("column", HIDDEN)
def test_a_hidden_value_costs_what_an_absent_one_costs(running, column, question):
    hidden, absent = while_no_part_changes(
        running,
        lambda: [cost(running, column, values, question) for values in (HIDDEN, ABSENT)],
    )
    assert hidden == absent


def while_no_part_changes(running, ask):
    """Events of other tests, and merges, may come between two questions."""

    def parts():
        return running.sql("SELECT DISTINCT _part FROM audit.events_store ORDER BY _part")

    for _ in range(20):
        before = parts()
        answer = ask()
        if parts() == before:
            return answer
        time.sleep(0.25)
    pytest.fail("the table's parts changed during each of 20 comparisons")


@pytest.mark.parametrize("setting", ["use_skip_indexes", "use_query_condition_cache"])
def test_the_settings_that_hide_it_cannot_be_changed(running, setting):
    with pytest.raises(Exception, match=f"{setting} is readonly"):
        running.client(ANALYST.name).query("SELECT 1", settings={setting: 1})


def cost(running, column, values, question):
    """What the analyst is told about a query: its numbers, or its plan without the value."""
    TALLY["attacks"] += 1
    client = running.client(ANALYST.name)
    value = values[column]
    result = client.query(question.format(where=f"{column} = '{value}'"))
    if question.startswith("EXPLAIN indexes"):
        # Other lines hold identifiers that differ each time.
        return [line for (line,) in result.result_rows if re.search("Parts|Granules|Skip", line)]
    summary = {name: int(result.summary.get(name, 0)) for name in ("read_rows", "read_bytes")}
    return summary, [str(row).replace(value, "") for row in result.result_rows]
