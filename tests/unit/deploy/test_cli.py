import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orgtrail_deploy.cli import COMMANDS, make_app

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_it_is_said_to_be(name):
    where, text = COMMANDS[name]
    module, _, attribute = where.partition(":")
    assert getattr(importlib.import_module(module), attribute)
    assert text.endswith(".")


def test_the_overview_says_what_each_does(capsys):
    with pytest.raises(SystemExit):
        make_app(None)(["--help"])
    shown = capsys.readouterr().out
    for name, (_where, text) in COMMANDS.items():
        assert name in shown
        assert text[:30] in shown


def test_a_command_says_all_it_has(capsys):
    with pytest.raises(SystemExit):
        make_app("emit")(["emit", "--help"])
    assert "one event per JSON line on standard input" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        make_app(None)(["--version"])
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out == f"{declared}\n"


@pytest.mark.parametrize("status", [0, 1, 3])
def test_a_closed_pipe_hides_no_failure(status):
    code = f"""
import sys, orgtrail_deploy.cli as cli
def run():
    print("x" * 100)
    sys.exit({status})
cli._run = run
cli.main()
"""
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | true; exit ${PIPESTATUS[0]}', sys.executable, code],
        # Without a buffer the pipe would be found closed before there is a status.
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
