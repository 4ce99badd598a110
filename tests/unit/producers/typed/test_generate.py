import ast
import subprocess
import sys
from pathlib import Path

import pytest

from orgtrail.testing import Recorder
from orgtrail.typed.generate import events_module
from orgtrail_schemas.catalogue import Catalogue, EventType, catalogue

ROOT = Path(__file__).resolve().parents[4]


def event(key="shop.order.paid", /, **fields):
    given = {"name": key.title(), "description": f"About {key}.", "target": "order"}
    return EventType(key=key, **(given | fields))


def module(*events):
    return events_module(Catalogue(list(events), {}))


def loaded(*events):
    namespace = {"__name__": "audit_events"}
    exec(compile(module(*events), "audit_events.py", "exec"), namespace)
    return namespace


def parameters(text, function):
    (found,) = [n for n in ast.parse(text).body if getattr(n, "name", "") == function]
    return [argument.arg for argument in found.args.kwonlyargs]


def own(text, function):
    fixed = parameters(module(event("a.b")), "a_b")
    return [name for name in parameters(text, function) if name not in fixed]


AWKWARD = [
    event(
        "shop.order.class",
        changes={
            "target": "public",
            "class": "public",
            "a-b": "public",
            "4x": "public",
            "x": "secret",
        },
        metadata={
            "outcome": "public",
            "x": "public",
            "changes": "public",
            "5y": "secret",
            "é": "public",
        },
    ),
    event("import"),
    event("2fa.enabled", about_actor=True),
    event("custom"),
    event("send"),
    event("a.really.long", description='Says """ and \\ and \x00 and\nmore: ' + "words " * 40),
    event("b.long", changes={"f" * 130: "public"}, metadata={"m" * 130: "public"}),
    event("quotes", changes={"it's": "public", 'a"b': "public", "x\\y": "public"}),
    event("c.wide", target='"""', changes={'"""': "secret"}),
]


def test_names_that_python_cannot_hold_or_that_clash():
    text = module(*AWKWARD)
    assert own(text, "shop_order_class") == [
        "target_change", "class_", "a_b", "change_4x", "x", "changes",
        "outcome_metadata", "x_metadata", "changes_metadata", "metadata_5y", "é",
    ]  # fmt: skip
    names = [n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    assert names[1:5] == ["import_", "event_2fa_enabled", "custom_event", "send_event"]


def test_a_renamed_parameter_still_sends_the_declared_name():
    functions = loaded(*AWKWARD)
    with Recorder() as audit:
        functions["shop_order_class"](
            org_id="acme",
            actor=functions["Actor"](id="u-1"),
            target=functions["Target"](type="order", id="o-1"),
            target_change=("a", "b"),
            change_4x=(1, 2),
            outcome_metadata="c",
            x_metadata="d",
        )
    (made,) = audit.events
    assert [change.field for change in made.changes] == ["target", "4x"]
    assert set(made.metadata) == {"outcome", "x"}


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([event("a.b-c"), event("a.b.c")], "events: a.b-c and a.b.c would both be called a_b_c"),
        ([event("a.b", changes={"x-y": "public", "x.y": "public"})], "a.b: x-y and x.y would both"),
        (
            [event("a.b", metadata={"x-y": "public", "x.y": "public"})],
            "a.b: x-y and x.y would both",
        ),
        ([event("A.b")], "A.b is not an event key"),
        ([], "the catalogue has no events"),
    ],
)
def test_what_cannot_be_named_is_refused(events, problem):
    with pytest.raises(ValueError, match=problem):
        module(*events)


def test_types_that_orgtrail_records_itself_are_left_out_unless_asked_for():
    assert "def org_audit_log_viewed" not in events_module(catalogue())
    assert "def org_audit_log_viewed" in events_module(catalogue(), own=True)


@pytest.mark.parametrize(
    "text",
    [
        events_module(catalogue()),
        events_module(catalogue(), own=True),
        module(*AWKWARD),
        module(event("a.b")),
        module(event("a.b", metadata={"x": "public"})),
    ],
    ids=["shipped", "own", "awkward", "bare", "metadata"],
)
def test_the_text_is_formatted_linted_and_always_the_same(tmp_path, text):
    file = tmp_path / "audit_events.py"
    file.write_text(text, "utf-8")
    ruff, config = Path(sys.executable).with_name("ruff"), ROOT / "pyproject.toml"
    # Names are the catalogue's, be they 130 characters long or not ASCII.
    for command in (["format", "--diff"], ["check", "--ignore", "E501,PLC2401"]):
        done = subprocess.run(
            [ruff, *command, "--no-cache", "--config", config, file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert events_module(catalogue()) == events_module(catalogue())
