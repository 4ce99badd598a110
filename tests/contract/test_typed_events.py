"""The typed events: made from today's catalogue, and mypy and pyright refuse what is wrong."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orgtrail import Actor, InvalidEventError, Target, events
from orgtrail.testing import Recorder
from orgtrail.typed.generate import events_module
from orgtrail_schemas.catalogue import catalogue

BIN = Path(sys.executable).parent

RIGHT = """
from decimal import Decimal
from uuid import UUID

from orgtrail import Actor, Target, events
from orgtrail.changes import diff
from orgtrail.events import REPLACED, UNCHANGED

alice = Actor(id=5, email="alice@acme.example")
bob = Target(type="user", id="u-2")
Actor(type="system")
Actor(type="support", email="sam@support.example", name="Sam")


def right(role: str | None, actor: Actor | None) -> str:
    events.org_user_role_updated(target=bob, role=(role, "admin"), org_id=["acme", "globex"])
    events.org_user_role_updated(target=[bob, bob], role=("a", "b") if role else UNCHANGED)
    events.org_user_profile_updated(target=bob, changes=diff({}, {"name": "x"}), phone=(None, 1))
    events.org_subscription_created(target=bob, seats=(Decimal(1), 2), actor=actor, event_id=UUID(int=1))
    events.user_password_changed(password=REPLACED, outcome="denied", impersonator=alice)
    events.custom("shop.order.paid", targets=bob, metadata={"any": 1}, outcome="failure")
    return events.user_login(method="sso", failure_reason=None)
"""

HEAD = """
from orgtrail import Actor, Change, Target, events

alice = Actor(id="u-1")
bob = Target(type="user", id="u-2")
"""

MISTAKES = {
    "event": 'events.user_logn(actor=alice, method="sso")',
    "change field": 'events.org_user_role_updated(target=bob, roel=("member", "admin"))',
    "actor type": 'Actor(type="admin", id="u-1")',
    "outcome": 'events.user_login(actor=alice, outcome="fail")',
    "metadata key": 'events.user_login(actor=alice, methd="sso")',
    "missing target": 'events.org_user_role_updated(role=("member", "admin"))',
    "actor without id and email": 'Actor(name="Alice")',
    "one value for two": 'events.org_user_role_updated(target=bob, role="admin")',
    "target by its id": 'events.org_user_role_updated(target="u-2", role=("member", "admin"))',
    "actor by its id": 'events.user_login(actor="u-1")',
    "changes by hand": "events.org_user_role_updated(target=bob, changes=[Change(field='roel')])",
    "metadata as a mapping": 'events.user_login(metadata={"methd": "sso"})',
}
"""Seven of the eight mistakes of a review of the untyped ``emit``, and some that came with the
types. The eighth, the wrong type of a target, is refused at the call: own catalogues have types
that no annotation can know."""


def mypy(file):
    done = subprocess.run(
        [BIN / "mypy", "--strict", "--config-file=", "--no-error-summary", file],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    pattern = rf"^{re.escape(file.name)}:(\d+): error: (.*)"
    return {int(line): text for line, text in re.findall(pattern, done.stdout, re.MULTILINE)}


def pyright(file):
    settings = {"typeCheckingMode": "strict", "include": [file.name]}
    (file.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [BIN / "basedpyright", "--pythonpath", sys.executable, "--outputjson"],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {one["range"]["start"]["line"] + 1: one["message"] for one in found}


CHECKERS = [mypy, pyright]


@pytest.mark.parametrize("check", CHECKERS)
def test_each_mistake_is_reported(tmp_path, check):
    file = tmp_path / "mistakes.py"
    file.write_text(HEAD + "\n".join(MISTAKES.values()) + "\n")
    found = check(file)
    first = HEAD.count("\n") + 1
    missed = [name for line, name in enumerate(MISTAKES, first) if line not in found]
    assert missed == []
    assert [line for line in found if line < first] == []


@pytest.mark.parametrize("check", CHECKERS)
def test_what_is_right_is_accepted(tmp_path, check):
    file = tmp_path / "right.py"
    file.write_text(RIGHT)
    assert check(file) == {}


def test_mypy_says_what_was_meant(tmp_path):
    file = tmp_path / "mistakes.py"
    file.write_text(HEAD + "\n".join(MISTAKES.values()) + "\n")
    first = HEAD.count("\n") + 1
    by_line = mypy(file)
    found = {name: by_line.get(line, "") for line, name in enumerate(MISTAKES, first)}
    assert 'maybe "user_login"' in found["event"]
    assert 'did you mean "method"?' in found["metadata key"]


def test_the_wrong_type_of_a_target_is_refused_at_the_call():
    with Recorder(), pytest.raises(InvalidEventError, match=r"^target\.type: must be user"):
        events.org_user_deleted(
            org_id="acme", actor=Actor(id="u-1"), target=Target(type="usr", id="u-2")
        )


def test_the_module_is_made_from_todays_catalogue():
    assert Path(events.__file__).read_text("utf-8") == events_module(catalogue()), "run: make docs"


def test_a_companys_module_is_typed_as_well(tmp_path):
    (tmp_path / "ours.py").write_text(events_module(catalogue(), own=True))
    file = tmp_path / "mistakes.py"
    file.write_text(
        "import ours\nours.user_logn()\nours.user_login(methd='sso')\nours.user_login()\n"
    )
    for check in CHECKERS:
        assert set(check(file)) == {2, 3}
