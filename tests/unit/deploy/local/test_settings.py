"""The ports of the local stack, from variables of their own."""

from pathlib import Path

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.settings import FolderSettings, LocalSettings

NAMES = list(LocalSettings.__struct_fields__)


@pytest.mark.parametrize("name", NAMES)
def test_each_port_has_a_variable(name):
    settings = LocalSettings.load({f"ORGTRAIL_UP_{name.upper()}": "12345"})
    assert getattr(settings, name) == 12345
    others = [other for other in NAMES if other != name]
    assert [getattr(settings, o) for o in others] == [getattr(LocalSettings(), o) for o in others]


def test_the_default_ports_differ():
    settings = LocalSettings.load({})
    assert len({getattr(settings, name) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("wrong", ["0", "65536", "-1", "http", "80.5"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_a_port_is_named_in_one_line(name, wrong):
    variable = f"ORGTRAIL_UP_{name.upper()}"
    with pytest.raises(StackError, match=rf"^{variable}: [^\n]+$"):
        LocalSettings.load({variable: wrong})


def test_a_given_port_comes_before_the_environment():
    assert LocalSettings.load({"ORGTRAIL_UP_PAGE_PORT": "1"}, page_port=2).page_port == 2


def test_variables_of_other_processes_are_not_read():
    assert LocalSettings.load({"ORGTRAIL_PAGE_PORT": "1", "PAGE_PORT": "1"}) == LocalSettings()


def test_the_folder_is_absolute_when_it_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert FolderSettings.load({"ORGTRAIL_HOME": "stack"}).home == tmp_path / "stack"
    assert FolderSettings.load({"ORGTRAIL_HOME": ""}).home == Path(".orgtrail")
