"""Whatever the documents name exists: commands and their options, targets, settings, addresses."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace as changed
from tests.support.query_parts import SETTINGS, FakeDatabase, fake_parts

from orgtrail_deploy.cli import COMMANDS
from orgtrail_deploy.documents import settings
from orgtrail_query_service.app import make_app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    path
    for folder in (".", "docs", "consumers", "deploy", "producers", "schemas", "query_service")
    for path in sorted((ROOT / folder).glob("*.md"))
    if path.name != "CHANGELOG.md"
]
GROUPS = ("dlq", "spool", "events")
_CODE = re.compile(r"```(?:sh|console|bash)?\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def code(path):
    """What stands in backticks or in a block of shell commands."""
    return [block or inline for block, inline in _CODE.findall(path.read_text("utf-8"))]


def commands():
    """Each command of the tool in the documents: its words, without its options, and these."""
    found = {}
    for path in DOCUMENTS:
        for text in code(path):
            for line in text.replace("\\\n", " ").splitlines():
                for call in re.findall(r"(?:^|[\s(/$])orgtrail ([a-z][^|#)`;&<>]*)", line):
                    words = call.split()
                    length = 2 if words[0] in GROUPS and len(words) > 1 else 1
                    options = {w.split("=")[0] for w in words if re.match(r"--[a-z]", w)}
                    found.setdefault(tuple(words[:length]), set()).update(options)
    return found


@cache
def help_of(words):
    done = subprocess.run(
        [Path(sys.executable).with_name("orgtrail"), *words, "--help"],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        check=False,
    )
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_a_command_and_its_options_exist(words):
    options = commands()[words]
    assert words[0] in COMMANDS, words
    if len(words) == 2:
        alternatives = words[1].split("|")
        for one in alternatives:
            assert one in help_of(words[:1]), words
        words = (words[0], alternatives[0])
    known = set(re.findall(r"--[a-z][a-z-]*", help_of(words)))
    assert options <= known | {"--help"}, options - known


def test_a_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        for text in code(path):
            for target in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE):
                assert target in targets, (path.name, target)


def test_a_setting_exists():
    known = set(re.findall(r"ORGTRAIL_[A-Z_]+", settings()))
    # Settings of a framework's own configuration, such as Django's.
    for source in (ROOT / "producers").rglob("*.py"):
        known |= set(re.findall(r"ORGTRAIL_[A-Z_]+", source.read_text("utf-8")))
    for path in DOCUMENTS:
        for name in re.findall(r"ORGTRAIL_[A-Z_]*[A-Z]", path.read_text("utf-8")):
            bare = name.removesuffix("_FILE")
            assert bare in known or name in known or is_pattern(name), (path.name, name)


def is_pattern(name):
    """Such as ORGTRAIL_CLICKHOUSE_NAME_PASSWORD, for each analyst."""
    return name in ("ORGTRAIL_CLICKHOUSE_NAME_PASSWORD",)


def test_an_address_exists():
    app = make_app(
        changed(SETTINGS, oidc_client_id="page", sign_in_dir="/x"), fake_parts(FakeDatabase())
    )
    routes = [
        re.compile(re.sub(r"\\{[^}]*\\}", "[^/?]+", re.escape(route.path_format)) + r"(\?.*)?$")
        for route in app.routes
    ]
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        for address in re.findall(r"(?:8080|[\s`'\"(])(/(?:v1|orgs|docs|schema|livez|readyz|metrics|sign-in)\b[^\s`'\")|,]*)", text):  # fmt: skip
            if address.endswith((".md", "/")):
                continue
            asked = address.rstrip(".:;").replace("{organization}", "x")
            assert any(route.match(asked) for route in routes), (path.name, address)
