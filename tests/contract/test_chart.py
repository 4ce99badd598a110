"""The Helm chart as far as its files show it. `make deploy-test` installs it."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from orgtrail_deploy.access import AccessSettings
from orgtrail_deploy.documents import PROCESSES
from orgtrail_schemas.access import passwords_wanted
from orgtrail_schemas.settings import described

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "chart"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = {file.name: file.read_text() for file in (CHART / "templates").iterdir()}


def test_its_version_is_that_of_the_package():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert chart["version"] == chart["appVersion"] == version


def test_every_value_is_in_the_schema_and_the_other_way_round():
    def compare(values, schema, where):
        properties = schema.get("properties")
        if properties is None or not isinstance(values, dict):
            return
        assert set(properties) - {"global"} == set(values), where
        assert schema["additionalProperties"] is False
        for name, value in values.items():
            compare(value, properties[name], f"{where}.{name}")

    compare(VALUES, SCHEMA, "values")


def test_every_value_is_used():
    text = "".join(TEMPLATES.values())

    def leaves(values, path=()):
        for name, value in values.items():
            if isinstance(value, dict) and value and "matchLabels" not in str(value)[:40]:
                yield from leaves(value, (*path, name))
            else:
                yield (*path, name)

    for path in leaves(VALUES):
        assert re.search(rf"\b{path[-1]}\b", text) or path[-2] in ("requests", "limits"), path


def test_every_variable_is_a_setting():
    known = {s.variable for _, prefix, kind in PROCESSES for s in described(kind, prefix)}
    for name, text in TEMPLATES.items():
        for variable in re.findall(r"ORGTRAIL_[A-Z_]+[A-Z]", text):
            assert variable in known or variable == "ORGTRAIL_CLICKHOUSE", (name, variable)


@pytest.mark.parametrize(("template", "names"), [
    ("migrate.yaml", ["migrator"]),
    ("consumer.yaml", ["writer"]),
    ("query.yaml", ["reader", "export"]),
    ("record-queries.yaml", ["recorder"]),
])  # fmt: skip
def test_a_process_gets_its_own_passwords_and_no_others(template, names):
    (given,) = re.findall(r'"passwords" \(list ([^)]*)\)', TEMPLATES[template])
    assert re.findall(r'"(\w+)"', given) == names
    assert {f"audit_{name}" for name in names} <= set(passwords_wanted())
    settings = {s.variable for s in described(AccessSettings)}
    assert {f"ORGTRAIL_CLICKHOUSE_{name.upper()}_PASSWORD" for name in names} <= settings
