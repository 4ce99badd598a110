import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from tests.support.api_rows import row

from orgtrail_query_service.reads.event import event_from_row
from orgtrail_query_service.terminal.api_client import Page
from orgtrail_query_service.terminal.output import print_json, print_table, save

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(number=1, **columns):
    given = {
        "event": "user.login",
        "outcome": "success",
        "actor_type": "user",
    }
    return event_from_row(row(NOW - timedelta(hours=number), UUID(int=number), **given | columns))


def page(*events, cursor=None, settled=NOW, set_aside=0):
    return Page(list(events), cursor, settled, set_aside)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")


def test_each_event_is_a_line_of_json(capfdbinary):
    print_json(iter([page(event(1, actor_name="a\nb"), event(2)), page(), page(event(3))]))
    lines = capfdbinary.readouterr().out.splitlines()
    assert [UUID(json.loads(line)["event_id"]).int for line in lines] == [1, 2, 3]
    assert json.loads(lines[0])["actor"]["name"] == "a\nb"


def test_a_table_has_a_row_for_each_event_in_utc(capsys):
    columns = {"actor_email": "bob@x.org", "ip": "203.0.113.7", "browser": "Firefox", "os": "Linux",
               "targets.type": ["user"], "targets.id": ["u2"], "targets.email": ["eve@x.org"], "targets.name": [""]}  # fmt: skip
    print_table(iter([page(event(1, **columns)), page(event(2), set_aside=4)]))
    out, err = capsys.readouterr()
    for text in (
        "2026-11-23 11:00:00",
        "User - Logged In",
        "bob@x.org",
        "eve@x.org",
        "203.0.113.7, Firefox on Linux",
        "success",
    ):
        assert text in out, text
    assert err == (
        "2 events. Complete for everything received before: 2026-11-23 12:00:00 UTC; could not be stored: 4\n"
    )


def test_whoever_impersonates_is_shown(capsys):
    print_table(
        iter(
            [
                page(
                    event(
                        actor_email="bob@x.org", impersonator_type="user", impersonator_name="Sam"
                    )
                )
            ]
        )
    )
    assert "bob@x.org (as them: Sam)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cursor", "settled", "expected"),
    [
        ("c", NOW, "1 events; there are more (raise --limit)."),
        (None, None, "received before: not known yet;"),
    ],
)
def test_a_table_says_what_it_lacks(capsys, cursor, settled, expected):
    print_table(iter([page(event(), cursor=cursor, settled=settled)]))
    assert expected in capsys.readouterr().err


def test_a_terminal_obeys_nothing_in_an_event(capsys):
    evil = "[red]\x1b]0;x\x07\u202e"
    names = dict.fromkeys(["event_name", "actor_email", "ip", "browser"], evil)
    print_table(
        iter(
            [
                page(
                    event(**names),
                    event(2, actor_name=evil, impersonator_type="user", impersonator_id=evil),
                )
            ]
        )
    )
    out = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)
    assert "[red]\\u001b" in out


def test_eighty_columns_are_enough(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    columns = {
        "event_name": "Organization - User Role Updated",
        "actor_email": "alice.moreau@acme.example",
        "targets.type": ["user"], "targets.id": ["u2"], "targets.name": [""],
        "targets.email": ["bob.okafor@acme.example"],
        "ip": "203.0.113.7", "browser": "Firefox 140", "os": "Linux",
    }  # fmt: skip
    print_table(iter([page(event(1, **columns))]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    # One event takes two lines at most: no email address is broken into pieces.
    assert len(lines) <= 6
    for text in (
        "11-23 11:00:00",
        "alice.moreau@acme.example",
        "→ bob.okafor@acme.example",
        "success",
    ):
        assert any(text in line for line in lines), text


def test_a_view_of_the_log_is_shown_as_of_its_hour(capsys):
    print_table(iter([page(event(1, event="org.audit-log.viewed"))]))
    out = capsys.readouterr().out
    assert "2026-11-23 11h" in out
    assert "11:00:00" not in out


def response(chunks):
    def stream():
        for chunk in chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    return httpx.Response(200, content=stream())


def test_a_download_is_whole_and_replaces_the_file(tmp_path, capsys):
    file = tmp_path / "log.csv"
    file.write_bytes(b"old")
    save(response([b"ab", b"c"]), file)
    assert file.read_bytes() == b"abc"
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]
    assert f"{file}: 3 bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [httpx.ReadError("cut"), KeyboardInterrupt(), OSError("full")], ids=repr
)
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_download_that_breaks_off_leaves_nothing_new(tmp_path, error, before):
    file = tmp_path / "log.csv"
    if before:
        file.write_bytes(before)
    with pytest.raises(type(error)):
        save(response([b"ab", error]), file)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([before] if before else [])


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(response([b"ab"]), tmp_path / "missing" / "log.csv")
