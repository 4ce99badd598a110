"""The recipes of CONTRIBUTING, followed in a copy of the repository: no other file must change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["schemas", "producers", "consumers", "query_service", "deploy"]

ENTRY = """
[[event]]
key = "org.api-token.created"
name = "Organization - API Token Created"
description = "An administrator created an API token for the organization."
target = "api_token"
changes = { scopes = "public" }
"""
EXAMPLE = {
    "event": "org.api-token.created",
    "org_id": "acme",
    "actor": {"type": "user", "id": "u-1001", "email": "alice@acme.example"},
    "targets": [{"type": "api_token", "id": "t-1", "name": "deploy"}],
    "changes": [{"field": "scopes", "old": None, "new": "read"}],
}
FORMAT = """    Format(
        suffix="tsv",
        media_type="text/tab-separated-values",
        title="TSV",
        sentence="one line per event, separated by tabs",
        select="export_rows.sql",
        clickhouse="TabSeparatedWithNames",
    ),
)

FORMATS ="""


@pytest.fixture
def copy(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in [*FOLDERS, "tests", "docs"]:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ["pyproject.toml", "README.md", "CONTRIBUTING.md", "LICENSE"]:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(copy: Path, *arguments: str) -> None:
    path = os.pathsep.join(str(copy / folder) for folder in FOLDERS)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-2_000:]


def test_an_event_type_takes_one_entry_and_one_example(copy):
    schemas = copy / "schemas/orgtrail_schemas"
    with (schemas / "catalogue.toml").open("a") as file:
        file.write(ENTRY)
    (schemas / "examples/org.api-token.created.json").write_text(json.dumps(EXAMPLE))
    run(copy, "-m", "orgtrail_deploy.documents")
    tests = ["test_event_types", "test_examples", "test_documents", "test_tables", "test_vectors"]
    run(copy, "-m", "pytest", "-q", *(f"tests/contract/{name}.py" for name in tests),
        "tests/unit/schemas", "tests/unit/deploy",
        "tests/unit/producers/typed")  # fmt: skip


def test_an_export_format_takes_one_row(copy):
    file = copy / "query_service/orgtrail_query_service/reads/export_formats.py"
    text = file.read_text()
    assert ")\n\nFORMATS =" in text
    file.write_text(text.replace(")\n\nFORMATS =", FORMAT))
    run(copy, "-m", "orgtrail_deploy.documents")
    run(copy, "-m", "pytest", "-q", "tests/unit/query_service", "tests/contract/test_documents.py")
