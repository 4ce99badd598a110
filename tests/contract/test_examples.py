"""The Python examples of the pages are run as they are written there."""

import re
import subprocess
import sys
from pathlib import Path

from orgtrail.testing import Recorder

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page, language="python"):
    found = re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    assert found
    return found


def pairs(event):
    return {change.field: (change.old, change.new) for change in event.changes}


def test_typed_events():
    with Recorder() as audit:
        exec(compile("\n".join(blocks("typed-events.md")), "typed-events.md", "exec"), {})
    audit.assert_emitted("org.user.role.updated", changes={"role": ("member", "admin")})
    audit.assert_emitted("user.login", actor_id="u-1", outcome="failure")
    audit.assert_emitted("user.password.changed", changes={"password": ("[redacted]",) * 2})
    assert pairs(audit.assert_emitted("org.user.profile.updated")) == {"phone": (None, "555-0100")}
    audit.assert_emitted("shop.order.refunded", metadata={"reason": "[redacted]"})
    assert len(audit.events) == 5


def test_the_catalogue_of_a_company(tmp_path, monkeypatch):
    from orgtrail.typed.cli import events

    monkeypatch.chdir(tmp_path)
    (catalogue,) = blocks("typed-events.md", "toml")
    Path("ours.toml").write_text(catalogue)
    (command,) = blocks("typed-events.md", "sh")
    assert events(command.split()[2:], result_action="return_value") == 0
    assert "def shop_order_refunded(" in Path("shop_events.py").read_text()


def test_testing_your_service(tmp_path):
    plugin, failure = blocks("testing-your-service.md", "text")
    (tmp_path / "conftest.py").write_text(plugin)
    tests = blocks("testing-your-service.md")
    tests.append("def test_failure(audit):\n    change_role('u-2', 'admin')\n")
    tests.append("    audit.assert_emitted('org.user.role.updated', target_id='u-3')\n")
    (tmp_path / "test_service.py").write_text("\n".join(tests[:-1]) + tests[-1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pytest_socket", "--disable-socket", tmp_path],
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 4 passed" in done.stdout, done.stdout
    shown = [line.removeprefix("E").strip() for line in done.stdout.splitlines()]
    for line in failure.splitlines():
        assert any(line.strip() in one for one in shown), (line, done.stdout)


async def test_emitting():
    with Recorder() as audit:
        space = {}
        exec(compile("\n".join(blocks("emitting.md")), "emitting.md", "exec"), space)
        await space["change_role"]()
        space["handler"]({"user": "u-9"}, None)
    audit.assert_emitted("org.user.role.updated", target_id="u-2")
    audit.assert_emitted("user.login", actor_id="u-1", metadata={"region": "eu"})
    audit.assert_emitted("user.login", actor_id="u-9")


def test_the_commands_of_emitting(tmp_path, monkeypatch, capsys):
    from orgtrail.delivery.cli import spool

    monkeypatch.setenv("ORGTRAIL_SPOOL_DIR", str(tmp_path))
    (command,) = blocks("emitting.md", "sh")
    assert spool(command.partition("#")[0].split()[2:], result_action="return_value") == 0
    assert str(tmp_path) in capsys.readouterr().out
