"""The image: built as it is written, and each process run in it, with the stack's servers."""

import os
import re
import subprocess

import httpx
import pytest
from tests.support.image import Image, missing_tools
from tests.support.running import eventually

from orgtrail import Actor
from orgtrail_deploy.local.ports import LOOPBACK, free_ports
from orgtrail_deploy.local.secrets import load_secrets


@pytest.fixture(scope="module")
def image():
    assert not missing_tools(), "apt-get install buildah debootstrap, and run this as root"
    made = Image()
    yield made
    made.remove()


def run(image, tmp_path, *arguments, env=None):
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    own = {"PATH": "/opt/orgtrail/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp"}
    return subprocess.run(
        image.command(*arguments, data=data),
        env=(env or {}) | own, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_is_smaller_than_400_megabytes(image):
    assert image.megabytes() < 400


def test_it_says_its_version(image, tmp_path):
    done = run(image, tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, "0.1.0\n"), done.stderr


@pytest.mark.parametrize(
    "command",
    ["consume", "serve", "migrate", "access", "check", "emit", "record-queries", "backup"],
)
def test_every_command_is_there(image, tmp_path, command):
    done = run(image, tmp_path, command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: orgtrail" in done.stdout


def test_it_checks_the_stack(image, running, tmp_path):
    secret = load_secrets(running.stack.root).passwords["audit_checker"]
    env = running.stack.environment() | {"ORGTRAIL_CLICKHOUSE_CHECKER_PASSWORD": secret}
    env["ORGTRAIL_URL"] = running.stack.page
    eventually(lambda: running.sql("SELECT count() FROM audit.ingest_progress FINAL")[0][0] == 4)
    done = run(image, tmp_path, "check", env=env)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_consumer_stores_events(image, running, tmp_path):
    """As a member of a group of its own it reads the whole topic again: nobody sees anything twice."""
    (port,) = free_ports(1)
    with running.producer() as audit:
        audit.emit("user.login", org_id="image", actor=Actor(id="u-1"))
    running.wait_for("image", 1)
    env = running.stack.environment() | {
        "ORGTRAIL_CONSUMER_GROUP": "image",
        "ORGTRAIL_WEB_PORT": str(port),
        "ORGTRAIL_DATA_DIR": "/var/lib/orgtrail",
    }

    def stored():
        try:
            text = httpx.get(f"http://{LOOPBACK}:{port}/metrics").text
        except httpx.TransportError:
            return False
        return "orgtrail_consumer_events_total 0.0" not in text

    with image.process("consume", data=tmp_path / "data", env=env) as child:
        eventually(lambda: stored() or not child.running, 60)
        assert child.running, child.log.read_text()
        assert httpx.get(f"http://{LOOPBACK}:{port}/readyz").status_code == 200
    assert len(running.events("image")) == 1


def test_its_query_service_answers(image, running, tmp_path):
    (port,) = free_ports(1)
    data = tmp_path / "data"
    env = running.stack.environment() | {
        "ORGTRAIL_PORT": str(port),
        "ORGTRAIL_SPOOL_DIR": "/var/lib/orgtrail/spool",
        "ORGTRAIL_JWKS_FILE": "/var/lib/orgtrail/jwks.json",
        "ORGTRAIL_SIGN_IN_DIR": "",
    }
    source = running.stack.environment()["ORGTRAIL_JWKS_FILE"]
    with image.process("serve", data=data, env=env, files={"jwks.json": source}) as child:
        url = f"http://{LOOPBACK}:{port}"

        def ready():
            try:
                return httpx.get(f"{url}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        eventually(lambda: ready() or not child.running, 60)
        assert child.running, child.log.read_text()
        headers = {"Authorization": f"Bearer {running.token('acme')}"}
        for path in ("events", "events/export.csv", "events/export.parquet", "summary"):
            answer = httpx.get(f"{url}/v1/orgs/acme/{path}", headers=headers)
            assert answer.status_code == 200, answer.text
        page = httpx.get(url, headers={"Accept": "text/html"}, follow_redirects=True).text
        static = re.findall(r'"(/static/[^"]+)"', page)
        assert static, page
        for path in ("/docs", "/schema/openapi.json", "/metrics", *static):
            assert httpx.get(url + path, follow_redirects=True).status_code == 200, path


def test_nothing_can_be_written_but_its_data(image, tmp_path):
    code = (
        "import os, sys\n"
        "for place in ('/', '/opt/orgtrail', '/etc', '/usr/bin', '/tmp', '/var/lib/orgtrail'):\n"
        "    try:\n"
        "        open(place + '/x', 'w').close(); print(place)\n"
        "    except OSError: pass\n"
        "print(os.getuid())"
    )
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 10001, 10001)
    command = image.command(data=data)
    command[command.index("orgtrail")] = "python3"
    done = subprocess.run(
        [*command, "-c", code], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["/tmp", "/var/lib/orgtrail", "10001"], done.stderr
