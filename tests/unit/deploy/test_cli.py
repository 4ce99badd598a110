import importlib

import pytest

from orgtrail_deploy.cli import COMMANDS, make_app


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_it_is_said_to_be(name):
    where, text = COMMANDS[name]
    module, _, attribute = where.partition(":")
    assert getattr(importlib.import_module(module), attribute)
    assert text.endswith(".")


def test_the_overview_says_what_each_does(capsys):
    with pytest.raises(SystemExit):
        make_app(None)(["--help"])
    shown = capsys.readouterr().out
    for name, (_where, text) in COMMANDS.items():
        assert name in shown
        assert text[:30] in shown


def test_a_command_says_all_it_has(capsys):
    with pytest.raises(SystemExit):
        make_app("emit")(["emit", "--help"])
    assert "one event per JSON line on standard input" in capsys.readouterr().out
