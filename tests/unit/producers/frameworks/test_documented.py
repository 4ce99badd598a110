"""Every Python block of docs/request-scope.md, as it is written there."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from celery.contrib.testing.worker import start_worker
from fastapi.testclient import TestClient
from litestar.testing import TestClient as LitestarClient

from orgtrail.event import Event

PAGE = (Path(__file__).parents[4] / "docs/request-scope.md").read_text("utf-8")
SECTIONS = re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE)
BLOCKS = [
    (f"{title} {number}", code)
    for title, body in SECTIONS
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", body, re.DOTALL), 1)
]

DJANGO = """
import django
from django.conf import settings
from orgtrail import emit, producer
settings.configure(
    ALLOWED_HOSTS=["*"], MIDDLEWARE=MIDDLEWARE, ROOT_URLCONF="__main__",
    ORGTRAIL_TRUSTED_PROXIES=ORGTRAIL_TRUSTED_PROXIES, SECRET_KEY="test",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import path
def view(request):
    request.user = User(pk=1, email="alice@acme.example")
    return HttpResponse(emit("user.logout", org_id="acme"))
urlpatterns = [path("", view)]
kept = []
producer.set_sink(kept.extend)
Client().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.9")
print(kept[0].actor.id, kept[0].actor.email, kept[0].context.ip)
"""


def fastapi(app, _events):
    assert TestClient(app).post("/password").status_code == 200


def litestar(app, _events):
    with LitestarClient(app) as client:
        assert client.post("/password").status_code == 201


def flask(app, _events):
    assert app.test_client().post("/password").status_code == 200


def celery(app, events):
    app.conf.worker_hijack_root_logger = False
    until = time.monotonic() + 20
    with start_worker(app, perform_ping_check=False):
        while not events and time.monotonic() < until:
            time.sleep(0.01)


DRIVERS = {"FastAPI and Starlette": fastapi, "Litestar": litestar, "Flask": flask, "Celery": celery}
EMITS = {*DRIVERS, "RQ", "Threads and tasks"}


def test_the_page_has_a_block_for_each():
    titles = [title for title, _ in BLOCKS]
    assert titles == [
        "FastAPI and Starlette 1",
        "Litestar 1",
        "Django 1",
        "Flask 1",
        "Celery 1",
        "RQ 1",
        "Threads and tasks 1",
        "Threads and tasks 2",
        "Proxies 1",
    ]
    assert len(BLOCKS) == PAGE.count("```python")


@pytest.mark.parametrize(
    ("title", "code"), [b for b in BLOCKS if b[0] != "Django 1"], ids=lambda x: x[:20]
)
def test_the_block_runs(title, code, events, monkeypatch):
    section = title[:-2]
    module = type(sys)("block")
    monkeypatch.setitem(sys.modules, "block", module)
    exec(compile(code, f"{title} of the page", "exec"), module.__dict__)
    if section in DRIVERS:
        DRIVERS[section](module.app, events)
    if section in EMITS and title != "Threads and tasks 2":
        (event,) = events
        assert type(event) is Event
        assert (event.event, event.actor.id, event.org_id) == (
            "user.password.changed",
            "u-1",
            "acme",
        )
    else:
        assert events == []


def test_the_settings_for_django():
    (code,) = [code for title, code in BLOCKS if title == "Django 1"]
    done = subprocess.run(
        [sys.executable, "-c", code + DJANGO], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 alice@acme.example 203.0.113.9\n"
