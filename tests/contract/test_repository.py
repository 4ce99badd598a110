"""What the repository promises of itself."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from orgtrail import ProducerSettings
from orgtrail_consumers.settings import ConsumerSettings
from orgtrail_deploy.access import AccessSettings
from orgtrail_deploy.migrate import MigrateSettings
from orgtrail_query_service.settings import QuerySettings
from orgtrail_schemas.settings import described

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("schemas", "producers", "consumers", "query_service", "deploy")
READS = {
    "access": [AccessSettings],
    "migrate": [MigrateSettings],
    "consumer-1": [ConsumerSettings],
    "consumer-2": [ConsumerSettings],
    "query": [QuerySettings, ProducerSettings],
}
"""The settings classes that each service of Compose reads."""
LOCKS = ["requirements.lock", "deploy/bootstrap.lock", "deploy/production.lock"]
# Spelled in parts, so that this file does not hold what it looks for.
HOSTS = ["pypi" + ".org", "python" + "hosted", "repo1." + "maven", "registry." + "npmjs"]


def tracked():
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_version_and_hashes(name):
    text = (ROOT / name).read_text()
    packages = re.findall(r"^(\S+)(==\S+)?", text, re.MULTILINE)
    named = [name for name, _ in packages if not name.startswith("--hash")]
    assert named
    assert text.count("==") >= len(named)
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]
    assert "://" not in text


def test_no_registry_and_no_machine_is_named():
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        for host in HOSTS:
            assert host not in text, path
        assert str(ROOT) + "/" not in text, path


def test_ci_runs_what_the_readme_says():
    readme = (ROOT / "README.md").read_text()
    ci = (ROOT / ".ci/run").read_text()
    assert "make test" in readme
    assert [line for line in ci.splitlines() if line.startswith("make")] == ["make test"]
    assert "run: make test" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_make_explains_its_targets():
    text = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^([a-z]+):", text, re.MULTILINE):
        assert re.search(rf"^{target}:.*## \S", text, re.MULTILINE), target


def test_links_of_the_documents_lead_somewhere():
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if "://" not in link:
                assert (path.parent / link).exists(), f"{path.name}: {link}"


def compose():
    return yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())


def test_compose_sets_only_settings_that_exist():
    for service, declarations in READS.items():
        known = {s.variable for declaration in declarations for s in described(declaration)}
        environment = compose()["services"][service]["environment"]
        assert environment.keys() <= known, service


def test_compose_gives_every_service_its_servers():
    """The query service once had no Kafka: every export waited, and was then refused."""
    for service, declarations in READS.items():
        known = {s.variable for declaration in declarations for s in described(declaration)}
        environment = compose()["services"][service]["environment"]
        for variable in ("ORGTRAIL_KAFKA_BROKERS", "ORGTRAIL_CLICKHOUSE_HOST"):
            assert variable in environment or variable not in known, (service, variable)


def test_compose_keeps_what_waits_on_a_disk():
    for service in ("consumer-1", "consumer-2", "query"):
        volumes = compose()["services"][service]["volumes"]
        assert any(volume.endswith(":/var/lib/orgtrail") for volume in volumes)
    query = compose()["services"]["query"]["environment"]
    assert query["ORGTRAIL_SPOOL_DIR"].startswith("/var/lib/orgtrail/")


ENVIRONMENT = re.compile(r"\b(?:ORGTRAIL|AUDIT|OTEL|XDG)_[A-Z][A-Z_]*[A-Z]\b")
READERS = {
    "schemas/orgtrail_schemas/settings.py": "every process's settings",
    "producers/orgtrail/settings.py": "the SDK's settings, and where its spool is",
    "producers/orgtrail/producer.py": "whether the broker is a default",
    "consumers/orgtrail_consumers/traces.py": "OpenTelemetry's own variables",
    "query_service/orgtrail_query_service/telemetry.py": "OpenTelemetry's own variables",
    "deploy/orgtrail_deploy/access.py": "the old names of passwords",
    "deploy/orgtrail_deploy/grants/commands.py": "an analyst's password, by their name",
    "deploy/orgtrail_deploy/cli.py": "the addresses of the local stack, where none are set",
    "deploy/orgtrail_deploy/local/folders.py": "XDG_CACHE_HOME",
    "deploy/orgtrail_deploy/local/process.py": "passed on to a child",
}


def test_the_environment_is_read_at_entry_points_only():
    found = {
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py" and path.parts[len(ROOT.parts)] in PRODUCT
        if re.search(r"os\.environ|getenv", path.read_text())
    }
    assert found == READERS.keys() | {"deploy/bootstrap.py"} & found


def test_structs_are_read_in_one_place():
    """Elsewhere two threads could read one for the first time at once, which ends the process."""
    readers = re.compile(
        r"msgspec\.(convert\(|\w+\.decode\((?:[^()]|\([^()]*\))*\btype=(?!dict))"
        r"|from msgspec[\w.]* import [^\n]*\b(convert|decode)\b"
    )
    found = {
        str(file.relative_to(ROOT))
        for file in tracked()
        if file.suffix == ".py" and file.relative_to(ROOT).parts[0] in PRODUCT
        if readers.search(file.read_text("utf-8"))
    }
    assert found == {"schemas/orgtrail_schemas/reading.py"}


def test_every_environment_variable_is_documented():
    documented = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/settings.md").read_text()))
    for path in tracked():
        if path.parts[len(ROOT.parts)] not in PRODUCT or path.suffix not in (".py", ".html"):
            continue
        if path.name == "django.py":
            # Names in Django's own settings; docs/request-scope.md explains them.
            continue
        for variable in ENVIRONMENT.findall(path.read_text()):
            assert variable in documented, (path.name, variable)


def test_compose_opens_nothing_beyond_loopback_and_holds_no_password():
    for name, service in compose()["services"].items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable or "SECRET" in variable:
                assert re.fullmatch(r"\$\{\w+:\?\}", value), variable


def test_compose_pins_its_images():
    for service in compose()["services"].values():
        assert service["image"] == "orgtrail:local" or re.search(r":v?\d+\.\d+", service["image"])


def test_compose_asks_for_what_the_example_lists():
    asked = set(re.findall(r"\$\{(\w+):\?\}", (ROOT / "deploy/compose.yaml").read_text()))
    example = (ROOT / "deploy/compose.env.example").read_text()
    assert asked == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))


def test_the_image_is_made_of_what_is_there():
    text = (ROOT / "deploy/Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _target = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
    assert "USER 10001" in text
    assert "--require-hashes" in text
