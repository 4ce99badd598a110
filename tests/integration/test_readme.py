"""Every command of the README, against a running stack, as it is written there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.up import Up, environment

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    started = Up(environment(folder / "home"), folder / "log")
    yield started
    assert started.interrupt() == []


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def shell(up, text):
    bin_folder = str(Path(sys.executable).parent)
    text = text.replace(".orgtrail/venv/bin", bin_folder)
    text = text.replace(":8080", f":{up.env['ORGTRAIL_UP_PAGE_PORT']}")
    env = up.env | {
        "ORGTRAIL_KAFKA_BROKERS": f"127.0.0.1:{up.env['ORGTRAIL_UP_KAFKA_PORT']}",
        "PATH": os.environ["PATH"],
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("block", [b for b in blocks("sh") if "make up" not in b])
def test_shell_commands(up, block):
    done = shell(up, block)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "problem" not in done.stdout


def test_the_checklist_is_the_one_that_is_printed(up):
    (shown,) = blocks("text")
    printed = shell(up, ".orgtrail/venv/bin/orgtrail check").stdout
    assert [shape(line) for line in shown.splitlines()] == [
        shape(line) for line in printed.splitlines()
    ]


def shape(line):
    """A line without what differs from one machine and one day to the next."""
    bare = re.sub(r"[0-9][0-9.,-]*( [KMGT]?B| ms| s)?", "N", line)
    return re.sub(r"N records? waiting", "N records waiting", bare)


def test_the_two_commands_are_the_ones_that_run():
    (first,) = [b for b in blocks("sh") if "make up" in b]
    assert re.findall(r"^(make \w+)", first, re.MULTILINE) == ["make up", "make test"]


def test_the_python_example(up):
    (code,) = blocks("python")
    env = up.env | {"ORGTRAIL_KAFKA_BROKERS": f"127.0.0.1:{up.env['ORGTRAIL_UP_KAFKA_PORT']}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
