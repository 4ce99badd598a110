"""Every way that a service runs in processes: a thousand events each, and every one arrives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.support.running import eventually

from orgtrail_deploy.local.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COUNT = 1_000

GUNICORN = [BIN / "gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "--log-level", "warning"]
WSGI, ASGI = "tests.support.hosts.app:wsgi", "tests.support.hosts.app:asgi"
UWSGI = [BIN / "uwsgi", "--http-socket", "127.0.0.1:{port}", "--module", WSGI, "--die-on-term",
         "--processes", "2", "--master", "--need-app", "--disable-logging"]  # fmt: skip

SERVERS = {
    f"gunicorn {kind}{preload}": [*GUNICORN, "-k", worker, *preload.split(), app]
    for kind, worker, app in [
        ("sync", "sync", WSGI),
        ("gthread", "gthread", WSGI),
        ("gevent", "gevent", WSGI),
        ("uvicorn", "uvicorn_worker.UvicornWorker", ASGI),
    ]
    for preload in ("", " --preload")
} | {
    "uvicorn --workers 2": [
        BIN / "uvicorn", "--workers", "2", "--port", "{port}", "--log-level", "warning", ASGI
    ],
    "uwsgi --enable-threads": [*UWSGI, "--enable-threads"],
    "uwsgi --lazy-apps": [*UWSGI, "--enable-threads", "--lazy-apps"],
}  # fmt: skip


SHORT = ("gunicorn gthread --preload", "uwsgi --enable-threads", "prefork", "os.fork")
"""One of each kind: the rest runs with ``make integration``."""


def in_the_default_run(names):
    return [n if n in SHORT else pytest.param(n, marks=pytest.mark.long) for n in names]


@pytest.fixture
def org(request):
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.partition("[")[2]).strip(
        "-"
    )
    return f"process-{name or request.node.name}"[:60]


@pytest.fixture
def env(running, org, tmp_path):
    return (
        {k: v for k, v in os.environ.items() if not k.startswith("ORGTRAIL_")}
        | {"ORGTRAIL_KAFKA_BROKERS": running.stack.brokers, "ORG": org}
        | {"ORGTRAIL_SPOOL_DIR": str(tmp_path / "spool"), "PYTHONPATH": str(ROOT)}
        | {"PYTHONWARNINGS": "ignore", "CELERY_FOLDER": str(tmp_path / "queue")}
    )


def arrived(running, org) -> int:
    return running.sql(
        "SELECT uniqExact(actor_id) FROM audit.events WHERE org_id = {org:String}", org=org
    )[0][0]


def require_all(running, org, tmp_path) -> None:
    def all_there():
        return arrived(running, org) == COUNT and arrived(running, f"{org}-boot") == 1

    eventually(all_there, 30)
    lanes = [p for p in (tmp_path / "spool" / "lanes").glob("v1-*") if list(p.glob("*.frames"))]
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    # What a worker left at its end is delivered already, or it is the next process's to tidy.
    assert len(lanes) <= 4


@pytest.mark.parametrize("server", in_the_default_run(SERVERS))
def test_a_server_delivers_every_event(running, org, env, tmp_path, server):
    (port,) = free_ports(1)
    command = [str(part).replace("{port}", str(port)) for part in SERVERS[server]]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}/"
        eventually(lambda: process.poll() is not None or _answers(url), 30)
        assert process.poll() is None, (tmp_path / "log").read_text()
        _ask(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
    _deliver_what_is_left(env)
    require_all(running, org, tmp_path)


def test_uwsgi_without_threads_says_so_and_keeps_the_events(running, org, env, tmp_path):
    (port,) = free_ports(1)
    command = [str(part).replace("{port}", str(port)) for part in UWSGI]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}/"
        eventually(lambda: _answers(url), 30)
        _ask(url)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    finally:
        process.kill()
    assert "--enable-threads" in (tmp_path / "log").read_text()
    _deliver_what_is_left(env)
    require_all(running, org, tmp_path)


@pytest.mark.parametrize("pool", in_the_default_run(["prefork", "threads", "gevent", "solo"]))
def test_a_celery_worker_delivers_every_event(running, org, env, tmp_path, pool):
    for name in ("queue", "queue-control"):
        (tmp_path / name).mkdir()
    command = [BIN / "celery", "-A", "tests.support.hosts.tasks", "worker", "-P", pool, "-c", "4",
               "--without-heartbeat", "--without-mingle", "--without-gossip", "-l", "ERROR"]  # fmt: skip
    send = (
        "import sys; from tests.support.hosts.tasks import emit\n"
        f"for n in range(0, {COUNT}, 10): emit.delay(n, n + 10)"
    )
    subprocess.run([sys.executable, "-c", send], env=env | {"ORG": "sender"}, cwd=ROOT, check=True)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
    try:
        eventually(lambda: not list((tmp_path / "queue").iterdir()), 60)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    finally:
        process.kill()
    _deliver_what_is_left(env)
    require_all(running, org, tmp_path)


@pytest.mark.parametrize("how", in_the_default_run(["fork", "forkserver", "spawn", "os.fork"]))
def test_processes_of_python_deliver_every_event(running, org, env, tmp_path, how):
    with (tmp_path / "log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.hosts.processes", how, str(COUNT)],
            env=env, cwd=ROOT, stdout=log, stderr=log, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, (tmp_path / "log").read_text()
    _deliver_what_is_left(env)
    require_all(running, org, tmp_path)


def test_the_documents_name_what_was_tested():
    page = (ROOT / "docs" / "emitting.md").read_text("utf-8")
    for name in [*SERVERS, "prefork", "threads", "gevent", "solo", "fork", "forkserver", "spawn"]:
        assert f"`{name}`" in page, name


def _ask(url: str) -> None:
    """A thousand requests; whether the server is up was asked as the actor of the first."""
    # uWSGI's own socket keeps no connection open.
    with (
        httpx.Client(timeout=20, headers={"Connection": "close"}) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        asked = pool.map(lambda n: client.get(url, params=str(n)).status_code, range(COUNT))
        assert list(asked) == [200] * COUNT


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, params="0", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _deliver_what_is_left(env: dict[str, str]) -> None:
    """What the next start of any process does with what the last one was not given time for."""
    code = "from orgtrail import AuditProducer; a = AuditProducer(); import time\n" + (
        "while a.spooled: time.sleep(0.05)\na.close()"
    )
    subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, timeout=30, check=True)
