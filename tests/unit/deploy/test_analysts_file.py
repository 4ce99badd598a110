"""The list of analysts: kept by operators by hand and by ``orgtrail grant``."""

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.grants.analysts_file import read_analysts, write_analyst
from orgtrail_deploy.grants.on_server import Change, changes_between
from orgtrail_schemas.access import Analyst

EVERYTHING = ("*",)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "analysts.toml"


def test_no_file_names_nobody(file):
    assert read_analysts(file) == []


def test_the_first_grant_creates_a_file_that_explains_itself(file):
    write_analyst(file, "ana", ["acme"])
    assert read_analysts(file) == [Analyst("ana", ("acme",))]
    assert file.read_text().startswith("# Who may read audit.events")


def test_comments_and_order_stay(file):
    before = '# ours\n[analysts]\n# until June\nzoe = ["acme"] # temporary\nana = "all"\n'
    file.write_text(before)
    write_analyst(file, "zoe", ["acme", "globex"])
    assert file.read_text() == before.replace('["acme"]', '["acme", "globex"]')
    write_analyst(file, "ana", ())
    write_analyst(file, "bob", EVERYTHING)
    assert read_analysts(file) == [
        Analyst("zoe", ("acme", "globex")),
        Analyst("bob", EVERYTHING),
    ]


def test_a_workspace_goes_with_its_analyst(file):
    file.write_text('[analysts]\nana = "all"\n\n[workspaces]\nana = "ana"\n')
    assert read_analysts(file) == [Analyst("ana", EVERYTHING, "ana")]
    write_analyst(file, "ana", ["acme"])
    assert read_analysts(file) == [Analyst("ana", ("acme",), "ana")]
    write_analyst(file, "ana", ())
    assert read_analysts(file) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[analysts", "analysts.toml: "),
        ("[analyst]\nana = []", "unknown field `analyst`"),
        ("[analysts]\nana = []", "name the organizations of 'ana', or 'all'"),
        ('[analysts]\nana = "acme"', "analysts.toml: "),
        ('[analysts]\nana = ["*"]', r"'\*' is no organization: its ID must be 1 to 128 letters"),
        ('[analysts]\nana = ["o\'neill"]', "is no organization"),
        ('[analysts]\naudit_reader = ["acme"]', "name of a service user"),
        ('[analysts]\nwriter = ["acme"]', "name of a service user"),
        ('[analysts]\n"" = ["acme"]', "name of a service user"),
        ('[analysts]\n"ana:definer" = "all"', "'ana:definer' has a colon"),
        ('[workspaces]\nana = "ana"', "'ana' has a workspace and is not an analyst"),
        ('[analysts]\nana = "all"\n[workspaces]\nana = "audit"', "'audit' cannot be a workspace"),
        ('[analysts]\nana = "all"\n[workspaces]\nana = "a.b"', "'a.b' cannot be a workspace"),
        ('[analysts]\nana = "all"\n[workspaces]\nana = ""', "'' cannot be a workspace"),
        (
            '[analysts]\nana = "all"\nbob = "all"\n[workspaces]\nana = "a"\nbob = "a"',
            "a workspace of their own",
        ),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(file, text, told):
    file.write_text(text)
    with pytest.raises(StackError, match=rf"^[^\n]*{told}[^\n]*$"):
        read_analysts(file)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(StackError, match="absent"):
        write_analyst(tmp_path / "absent" / "analysts.toml", "ana", ["acme"])


def test_changes_are_those_of_each_organization():
    before = [Analyst("ana", ("acme", "globex")), Analyst("eve", EVERYTHING)]
    after = [Analyst("ana", ("globex", "initech")), Analyst("new", ("acme",))]
    assert changes_between(before, after) == [
        Change("ana", "acme", False),
        Change("eve", "*", False),
        Change("ana", "initech", True),
        Change("new", "acme", True),
    ]
    assert changes_between(after, after) == []
