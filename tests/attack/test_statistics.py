"""What a query costs must not tell an analyst whether a value occurs in another organization.

Rows of several organizations share granules, parts and partitions. Row policies hide the rows, but
ClickHouse reports how many rows and bytes a query read, and estimates it.
"""

import re

import pytest
from tests.attack.conftest import TALLY
from tests.support.events import datum, record

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
    for _ in range(40):
        running.raw.send(datum(org_id=GRANTED), GRANTED.encode())
    running.raw.send(datum(**hidden | {"event": HIDDEN["event"]}), NEIGHBOUR.encode())
    running.wait_for(NEIGHBOUR, 1)
    # As merges do in time: one part, in which the two share a granule.
    running.client("audit_migrator").command("OPTIMIZE TABLE audit.events_store FINAL")


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
    assert cost(running, column, HIDDEN, question) == cost(running, column, ABSENT, question)


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
