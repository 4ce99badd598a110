"""``orgtrail dlq``: which letters are listed, shown and replayed, and what an operator is told."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from confluent_kafka import KafkaError, KafkaException

from orgtrail_consumers.dead_letters import cli, reader, replay
from orgtrail_consumers.dead_letters.reader import DeadLetter

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def letter(number, reason="malformed", **changed):
    given = DeadLetter(
        f"0/{number}", NOON + timedelta(hours=number), reason, "EOFError", "t/0/7/5", b"acme",
        b"\x00\xff", [("h", b"\x01")],
    )  # fmt: skip
    return given._replace(**changed)


LETTERS = [letter(0), letter(1, "unknown_schema"), letter(2), letter(3, key=None, value=None)]


@pytest.fixture(autouse=True)
def letters(monkeypatch):
    """What Kafka holds; what was replayed is in ``sent``."""
    monkeypatch.setattr(reader, "read_dead_letters", lambda settings: iter(LETTERS))


@pytest.fixture
def sent(monkeypatch):
    found = []

    def send(settings, given, progress):
        found.extend(item.location for item in given)
        progress(len(found))
        return len(found)

    monkeypatch.setattr(replay, "replay", send)
    return found


def listed(capsys, **options):
    assert cli.list_dead_letters(**options) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.startswith("location\t")
    return [line.split("\t")[0] for line in lines]


NAIVE = datetime(2026, 11, 26, 13)
ELSEWHERE = datetime(2026, 11, 26, 15, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({}, [0, 1, 2, 3]),
        ({"reason": "unknown_schema"}, [1]),
        ({"reason": "empty_value"}, []),
        ({"since": NAIVE}, [1, 2, 3]),
        ({"since": ELSEWHERE}, [1, 2, 3]),
        ({"until": NAIVE}, [0]),
        ({"since": NAIVE, "until": NOON + timedelta(hours=3)}, [1, 2]),
        ({"reason": "malformed", "since": NAIVE}, [2, 3]),
    ],
)
def test_letters_are_filtered_by_reason_and_time(capsys, sent, options, numbers):
    locations = [f"0/{number}" for number in numbers]
    assert listed(capsys, **options) == locations
    assert cli.replay_dead_letters(**options) == 0
    assert sent == locations


def test_a_line_has_the_columns_of_its_heading(capsys):
    cli.list_dead_letters(limit=1)
    printed = capsys.readouterr()
    heading, line = (row.split("\t") for row in printed.out.splitlines())
    assert dict(zip(heading, line, strict=True)) == {
        "location": "0/0",
        "set_aside_at": "2026-11-26T12:00:00.000+00:00",
        "reason": "malformed",
        "source": "t/0/7/5",
        "key": "'acme'",
        "bytes": "2",
        "detail": "EOFError",
    }


@pytest.mark.parametrize(("limit", "more"), [(3, True), (4, False), (5, False)])
def test_a_list_says_that_it_is_cut(capsys, limit, more):
    cli.list_dead_letters(limit=limit)
    printed = capsys.readouterr()
    assert (f"more than {limit} dead letters" in printed.err) == more
    assert printed.err.endswith(f"{min(limit, 4)} dead letters\n")


def test_one_letter_is_shown_with_its_headers_and_bytes(capsys):
    assert cli.show_dead_letter("0/2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"reason\tmalformed", "key\tb'acme'", "header\th\tb'\\x01'", "value\t00ff"} <= set(lines)
    assert cli.show_dead_letter("0/3") == 0
    assert capsys.readouterr().out.endswith("value\t\n")


def test_a_location_without_a_letter_is_an_error(capsys):
    assert cli.show_dead_letter("0/9") == 1
    assert capsys.readouterr().err == (
        "orgtrail dlq show: no dead letter at 0/9: run orgtrail dlq list to find it\n"
    )


def test_a_dry_run_counts_and_sends_nothing(capsys, sent):
    assert cli.replay_dead_letters(reason="malformed", dry_run=True) == 0
    assert capsys.readouterr().out == "3 dead letters would be replayed\n"
    assert sent == []


def test_a_replay_says_how_many_were_sent(capsys, sent):
    assert cli.replay_dead_letters() == 0
    assert capsys.readouterr().out == "4 dead letters replayed\n"


@pytest.mark.parametrize("command", [cli.list_dead_letters, cli.replay_dead_letters])
def test_a_reason_that_does_not_exist_is_refused_with_those_that_do(capsys, sent, command):
    assert command(reason="malformd") == 1
    assert "--reason must be one of empty_value, " in capsys.readouterr().err
    assert sent == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KafkaException(KafkaError(KafkaError._TRANSPORT, "no broker")), "no broker"),
        (ValueError("x.json is not a dead letter"), "x.json is not a dead letter"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_a_status(monkeypatch, capsys, sent, error, text):
    def broken(settings):
        yield LETTERS[0]
        raise error

    monkeypatch.setattr(reader, "read_dead_letters", broken)
    assert cli.replay_dead_letters() == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("orgtrail dlq replay: ")
    assert text in printed.err
    assert printed.err.count("\n") == 1


def test_a_wrong_setting_is_found_first(monkeypatch, capsys):
    monkeypatch.setenv("ORGTRAIL_KAFKA_BROKERS", "kafka:port")
    assert cli.list_dead_letters() == 1
    assert capsys.readouterr().err.startswith("orgtrail dlq list: ORGTRAIL_KAFKA_BROKERS: ")
