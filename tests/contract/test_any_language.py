"""docs/any-language.md and the programs of tests/languages say what the code does."""

import json
import re
from pathlib import Path

import pytest
from tests.support.vectors import FOLDER, headers, named_events

from orgtrail_schemas import limits
from orgtrail_schemas.catalogue import ACTOR_TYPES, OUTCOMES, REDACTED, UNASSIGNED_ORG, catalogue
from orgtrail_schemas.event_schema import current_schema, event_schemas
from orgtrail_schemas.reasons import REASONS
from orgtrail_schemas.topics import EVENTS_TOPIC

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/any-language.md").read_text("utf-8")
PROGRAMS = [
    ROOT / "tests/languages" / name
    for name in ("go/event.go", "java/src/main/java/example/AuditEvent.java", "node/event.js")
]


def test_the_page_gives_the_header_of_each_schema():
    rows = re.findall(r"^\| \[`(audit_event\.v\d+\.avsc)`\].*\| `([0-9a-f ]+)` \|$", PAGE, re.M)
    assert rows == [
        (f"audit_event.v{number}.avsc", schema.header.hex(" "))
        for number, schema in enumerate(event_schemas(), 1)
    ]


def test_the_bytes_explained_are_those_of_the_vector():
    (block,) = re.findall(r"```text\n(.+?)```", PAGE, re.DOTALL)
    explained = "".join(
        re.split(r" {2,}(?=\S*[a-z]{3,})", line.strip())[0] for line in block.splitlines()
    )
    vector = json.loads((FOLDER / "v1.json").read_text())["vectors"][0]
    assert vector["name"] == "minimal"
    assert explained.replace(" ", "") == vector["value_hex"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_a_program_writes_the_header_of_the_current_schema(program):
    assert re.findall(r"\"(c301[0-9a-f]{16})\"", program.read_text()) == [
        current_schema().header.hex()
    ]


def test_the_page_lists_the_types_whose_target_is_the_actor():
    (listed,) = re.findall(
        r"The SDK does this for the following types:\n(.+?)\.\n", PAGE, re.DOTALL
    )
    assert re.findall(r"`(.+?)`", listed) == [
        key for key, entry in catalogue().events.items() if entry.about_actor
    ]


def test_the_page_lists_every_reason_of_a_dead_letter():
    section = PAGE.split("## Dead letters")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.+?) \|", section, re.M)
    assert set(re.findall(r"`(\w+)`", " ".join(first_cells))) == set(REASONS)


def test_the_page_lists_every_header():
    section = PAGE.split("## Kafka headers")[1].split("\n## ")[0]
    named = re.findall(r"^\| `([a-z_-]+)` \|", section, re.M)
    assert named == [*headers(named_events()["minimal"]), "traceparent"]


def test_the_page_gives_the_limits():
    section = PAGE.split("### Limits")[1].split("\n## ")[0]
    numbers = [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", section)]
    assert numbers == [
        limits.TEXT_LENGTH,
        limits.LIST_LENGTH,
        limits.METADATA_KEYS,
        limits.METADATA_KEY_LENGTH,
        limits.METADATA_VALUE_LENGTH,
        limits.EVENT_LENGTH,
        limits.MAX_EVENT_BYTES,
    ]


@pytest.mark.parametrize("word", [EVENTS_TOPIC, REDACTED, UNASSIGNED_ORG, *ACTOR_TYPES, *OUTCOMES])
def test_the_page_names(word):
    assert f"`{word}`" in PAGE


def test_the_lock_file_names_no_registry():
    """``.npmrc`` beside it keeps ``npm install`` from writing addresses into it."""
    lock = json.loads((ROOT / "tests/languages/node/package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) == 3
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name
