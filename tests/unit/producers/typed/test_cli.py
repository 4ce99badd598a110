import subprocess
import sys

import pytest

from orgtrail.typed.cli import events, events_generate

OURS = """
[[event]]
key = "shop.order.refunded"
name = "Shop - Order Refunded"
description = "A clerk refunded an order."
target = "order"
changes = { status = "public" }
"""


@pytest.fixture
def ours(tmp_path):
    file = tmp_path / "ours.toml"
    file.write_text(OURS)
    return file


def test_generate_writes_a_module_that_works(ours, tmp_path):
    output = tmp_path / "shop_events.py"
    assert events_generate(catalogue=ours, output=output) == 0
    code = """
from orgtrail.testing import Recorder
from shop_events import Actor, Target, shop_order_refunded
with Recorder(strict=True) as audit:
    shop_order_refunded(org_id="acme", actor=Actor(id=1), target=Target(type="order", id=7), status=("paid", "refunded"))
print(audit.assert_emitted("shop.order.refunded", changes={"status": ("paid", "refunded")}).event)
"""
    environment = {"PYTHONPATH": str(tmp_path), "ORGTRAIL_CATALOGUE_FILE": str(ours)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("shop.order.refunded\n", "")


def test_it_prints_without_an_output(ours, capsys):
    assert events_generate(catalogue=ours) == 0
    printed = capsys.readouterr().out
    assert "def shop_order_refunded(" in printed
    assert "by `orgtrail events generate`" in printed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "ours.toml: No such file or directory"),
        ("[[event", "ours.toml: "),
        ('[[event]]\nkey = "a.b"', "ours.toml: Object missing required field"),
        ("", "ours.toml: the catalogue has no events"),
        (OURS.replace("shop.order.refunded", "user.login"), "share a key or a name"),
        (OURS.replace("shop.order.refunded", "Shop"), "Shop is not an event key"),
    ],
)
def test_errors_are_one_line(ours, capsys, text, problem):
    if text is None:
        ours.unlink()
    else:
        ours.write_text(text)
    assert events_generate(catalogue=ours, output=ours.with_name("out.py")) == 1
    error = capsys.readouterr().err
    assert error.startswith("orgtrail events generate: ")
    assert problem in error
    assert error.count("\n") == 1
    assert not ours.with_name("out.py").exists()


def test_an_output_that_cannot_be_written(ours, capsys):
    assert events_generate(catalogue=ours, output=ours / "out.py") == 1
    assert "Not a directory" in capsys.readouterr().err


def test_the_command(ours, capsys):
    assert events(["generate", "--catalogue", str(ours)], result_action="return_value") == 0
    assert "def shop_order_refunded(" in capsys.readouterr().out
