"""The terminal client against the running service."""

import csv
import json
import re
import socket
import threading

import pytest
from tests.support.events import emit_arguments
from tests.support.parquet import parquet
from tests.support.up import orgtrail

from orgtrail import Actor

ORG = "terminal"
HOSTILE = "\x1b[2J\x9b31m\u202eevil"


@pytest.fixture(scope="module")
def env(running, tmp_path_factory):
    with running.producer() as producer:
        for number in range(3):
            producer.emit(
                "user.login",
                **emit_arguments("user.login")
                | {"org_id": ORG, "actor": Actor(id=f"u-{number}", email=f"u{number}@x")},
            )
        producer.emit(
            "shop.paid",
            org_id=ORG,
            actor=Actor(id="u-9", name=HOSTILE),
            impersonator=Actor(type="support", id="s", email="sam@x"),
        )
    running.wait_for(ORG, 4)
    return {
        "ORGTRAIL_URL": running.stack.page,
        "ORGTRAIL_TOKEN": running.token(ORG),
        "COLUMNS": "200",
    }


def test_a_table(env):
    done = orgtrail("query", ORG, "--event", "user.login", "--event", "shop.paid", env=env)
    assert done.returncode == 0, done.stderr
    assert "u1@x" in done.stdout
    assert "(as them: sam@x)" in done.stdout
    assert not re.search("[\x1b\x9b\u202e]", done.stdout)
    assert done.stderr.startswith("4 events. Complete for everything received before: 20")


def test_json_lines_through_all_pages(env):
    done = orgtrail("query", ORG, "--json", "--limit", "0", "--level", "user", env=env)
    actors = [json.loads(line)["actor"]["email"] for line in done.stdout.splitlines()]
    assert sorted(actors) == ["u0@x", "u1@x", "u2@x"]
    few = orgtrail("query", ORG, "--json", "--limit", "2", "--level", "user", env=env)
    assert len(few.stdout.splitlines()) == 2
    assert orgtrail("query", ORG, "--json", "--since", "1m", "--user", "u@x", env=env).stdout == ""


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_an_export_is_a_file(env, tmp_path, suffix):
    file = tmp_path / f"log.{suffix}"
    done = orgtrail(
        "export", ORG, "--format", suffix, "--output", str(file), "--level", "user", env=env
    )
    assert done.returncode == 0, done.stderr
    content = file.read_bytes()
    assert f"{len(content):,} bytes" in done.stderr
    rows = {
        "csv": lambda: list(csv.DictReader(content.decode().splitlines())),
        "jsonl": content.splitlines,
        "parquet": lambda: parquet(content),
    }[suffix]()
    assert len(rows) == 3
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_an_export_to_standard_output(env):
    done = orgtrail("export", ORG, "--output", "-", "--level", "user", env=env)
    assert done.stdout.startswith('"event_id",')
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "change", "expected"),
    [
        (("query", ORG), {"ORGTRAIL_TOKEN": ""}, "set ORGTRAIL_TOKEN"),
        (("query", ORG), {"ORGTRAIL_TOKEN": "x"}, "not valid"),
        (("query", "else"), {}, "you may not read its organization's log"),
        (("query", "../.."), {}, "Not found"),
        (("query", ORG, "--level", "admin"), {}, "level: must be one of"),
        (("query", ORG, "--limit", "-1"), {}, "--limit"),
        (("export", ORG, "--since", "yesterday"), {}, "since: must be RFC 3339"),
        (("export", ORG, "--output", "/nowhere/x.csv"), {}, "/nowhere"),
        (("query", ORG), {"ORGTRAIL_URL": "http://127.0.0.1:1"}, "refused"),
        (("query", ORG), {"ORGTRAIL_URL": "nonsense"}, "the query service"),
    ],
    ids=str,
)
def test_what_goes_wrong_is_one_line(env, arguments, change, expected):
    done = orgtrail(*arguments, env=env | change)
    assert done.returncode == 1
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_transfer_that_breaks_off_leaves_no_file(env, tmp_path):
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n"
        b'Content-Disposition: attachment; filename="a.csv"\r\n\r\n5\r\nevent\r\n'
    )
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def answer():
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(head)

        threading.Thread(target=answer).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        file = tmp_path / "a.csv"
        done = orgtrail("export", ORG, "--output", str(file), env=env | {"ORGTRAIL_URL": url})
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
