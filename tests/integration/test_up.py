"""``make up`` as a newcomer meets it: it runs, it stops, it keeps its data, it says what is wrong."""

import hashlib
import socket
import subprocess

import httpx
import pytest
from tests.support.running import eventually
from tests.support.up import Up, environment, orgtrail

from orgtrail_deploy.local.folders import jar_cache
from orgtrail_deploy.local.jars import locked_jars
from orgtrail_schemas.catalogue import catalogue


def answers(env):
    page = f"http://127.0.0.1:{env['ORGTRAIL_UP_PAGE_PORT']}/readyz"
    try:
        return httpx.get(page).status_code == 200
    except httpx.HTTPError:
        return False


def count(env):
    # Without the record of this test's own reading, which may arrive at any time.
    sql = "SELECT count() FROM audit.events WHERE NOT startsWith(event, 'org.audit-log.')"
    answer = orgtrail("sql", sql, "--format", "TSV", env=env)
    assert answer.returncode == 0, answer.stderr
    return int(answer.stdout)


def test_it_runs_until_ctrl_c_and_keeps_its_data(tmp_path):
    env = environment(tmp_path / "home")
    up = Up(env, tmp_path / "log")
    try:
        with httpx.Client(follow_redirects=True) as browser:
            link = up.line("/sign-in/")
            page = browser.get(link, headers={"Accept": "text/html"})
            assert page.status_code == 200
            assert "acme" in page.text
            again = httpx.get(link, headers={"Accept": "text/html"})
            assert again.status_code == 401
            assert "no longer works" in again.text
        answer = subprocess.run(
            up.line("curl -H"), shell=True, capture_output=True, text=True, check=True
        )
        assert '"events":[{' in answer.stdout
        query = up.line(" sql ").split(" sql ")[1].strip("'")
        assert "acme" in orgtrail("sql", query, env=env).stdout
        before = count(env)
        assert before > 1000
        emit = up.line("emit user.login").split(" emit ")[1]
        # Another terminal knows the folder, and not the ports.
        elsewhere = {k: v for k, v in env.items() if not k.startswith("ORGTRAIL_UP_")}
        sent = orgtrail("emit", *emit.split(), env=elsewhere)
        assert sent.returncode == 0, sent.stderr
        eventually(lambda: count(elsewhere) == before + 1)
        assert env["ORGTRAIL_UP_PAGE_PORT"] in orgtrail("sign-in", env=elsewhere).stdout
        token = {"ORGTRAIL_TOKEN": orgtrail("token", env=elsewhere).stdout.strip()}
        shown = orgtrail("query", "acme", "--json", env=elsewhere | token)
        assert shown.returncode == 0, shown.stderr
        assert "you@acme.example" in shown.stdout

        for name in ("clickhouse_child", "serve", "consume"):
            killed = up.child(name)
            killed.kill()
            eventually(lambda killed=killed: "(status -9)" in up.printed)
            eventually(lambda name=name, killed=killed: up.child(name).pid != killed.pid, 60)
        eventually(lambda: answers(env), 60)
        eventually(lambda: up.printed.count("It is started again.") == 3)
        assert count(env) == before + 1
    finally:
        left = up.interrupt()
    assert left == []
    printed = (tmp_path / "log").read_text("utf-8").splitlines()
    assert len(printed) < 40, "the links must not be buried under log lines"

    up = Up(env, tmp_path / "log2")
    try:
        assert count(env) == before + 1
        second = orgtrail("up", env=env)
        assert second.returncode == 1
        assert (
            f"is already running in {tmp_path / 'home'} (process {up.process.pid})" in second.stderr
        )
        assert "orgtrail down" in second.stderr
        down = orgtrail("down", env=env)
        assert (down.returncode, down.stdout) == (0, "Stopped.\n")
        assert up.process.wait(10) == 0
        assert "No stack is running" in orgtrail("down", env=env).stdout
    finally:
        up.process.kill()


def test_check_reads_every_type_back_in_every_way(tmp_path):
    done = orgtrail("up", "--check", env=environment(tmp_path / "home"))
    assert done.returncode == 0, done.stdout + done.stderr
    listed = [e for e in catalogue().events.values() if not e.own]
    assert f"{len(listed)} event types checked, 0 failures" in done.stdout
    assert not (tmp_path / "home").exists()


def one_line(done):
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize("name", ["KAFKA_PORT", "CLICKHOUSE_HTTP_PORT", "PAGE_PORT"])
def test_a_port_that_is_taken(tmp_path, name):
    env = environment(tmp_path / "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(env[f"ORGTRAIL_UP_{name}"])))
        taken.listen()
        line = one_line(orgtrail("up", env=env))
    assert f"ORGTRAIL_UP_{name}" in line
    assert "is already in use" in line


def test_a_port_that_is_no_port(tmp_path):
    env = environment(tmp_path / "home", ORGTRAIL_UP_PAGE_PORT="many")
    assert "ORGTRAIL_UP_PAGE_PORT" in one_line(orgtrail("up", env=env))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    line = one_line(orgtrail("up", env=environment(tmp_path / "file" / "home")))
    assert "cannot write to" in line
    assert "ORGTRAIL_HOME" in line


def test_a_download_that_fails(tmp_path):
    # An empty cache, and a proxy that nothing listens on.
    nowhere = "http://127.0.0.1:1"
    env = environment(
        tmp_path / "home",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        HTTPS_PROXY=nowhere,
        HTTP_PROXY=nowhere,
        https_proxy=nowhere,
        http_proxy=nowhere,
    )
    line = one_line(orgtrail("up", env=env))
    assert "cannot download" in line
    assert "network" in line
    assert list((tmp_path / "cache").rglob("*.jar")) == []


def test_a_jar_that_was_changed_in_the_cache_is_not_run(tmp_path, running):
    """Every jar but one is there; that one was changed, and cannot be had anew."""
    cache = tmp_path / "cache" / "orgtrail" / "jars"
    for jar in locked_jars():
        source = jar_cache() / jar.sha256 / jar.file_name
        target = cache / jar.sha256 / jar.file_name
        target.parent.mkdir(parents=True)
        target.symlink_to(source)
    victim = locked_jars()[0]
    changed = cache / victim.sha256 / victim.file_name
    changed.unlink()
    changed.write_bytes(b"changed")
    assert hashlib.sha256(b"changed").hexdigest() != victim.sha256
    env = environment(
        tmp_path / "home",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        HTTPS_PROXY="http://127.0.0.1:1",
        https_proxy="http://127.0.0.1:1",
    )
    assert victim.file_name in one_line(orgtrail("up", env=env))
