"""The checklist as it is printed, whatever the servers do."""

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka import KafkaError, KafkaException

from orgtrail_deploy.check import commands
from orgtrail_deploy.check.findings import failed, note, ok, unknown
from orgtrail_deploy.errors import StackError


def some(*findings, error=None):
    yield from findings
    if error:
        raise error


@pytest.fixture
def sections(monkeypatch):
    def given(**found):
        monkeypatch.setattr(commands, "_sections", lambda *_: iter(found.items()))

    return given


def test_a_line_for_each_question_and_the_next_step_below(sections, capsys):
    sections(
        Kafka=some(ok("brokers", "3"), note("who", "all")),
        ClickHouse=some(failed("disk", "full", "add disk"), unknown("list", "no file")),
    )
    assert commands.check() == 1
    assert capsys.readouterr().out == (
        "Kafka\n"
        "  ok          brokers: 3\n"
        "  note        who: all\n"
        "\n"
        "ClickHouse\n"
        "  FAILED      disk: full\n"
        "              → add disk\n"
        "  not checked list: no file\n"
        "\n"
        "1 ok, 1 failed, 1 to note, 1 not checked\n"
    )


def test_what_is_only_to_note_is_no_failure(sections):
    sections(Kafka=some(ok("brokers", "3"), note("who", "all"), unknown("x", "y")))
    assert commands.check() == 0


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (TimeoutError(), "none within 15 s"),
        (KafkaException(KafkaError(KafkaError._TRANSPORT, "away")), "away"),
        (DatabaseError("Not enough privileges\nStack trace: 1"), "Not enough privileges"),
    ],
)
def test_a_server_that_stops_answering_is_one_line_more(error, seen):
    found = list(commands._answered(some(ok("brokers", "3"), error=error)))
    assert [finding.seen for finding in found] == ["3", seen]


def test_a_wait_is_at_least_a_second():
    with pytest.raises(StackError, match="--within must be at least 1 second"):
        commands.check(within=0)
