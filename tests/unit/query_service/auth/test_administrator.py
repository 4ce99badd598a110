import pytest

from orgtrail_query_service.auth.administrator import Administrator
from orgtrail_query_service.problems import Problem, not_found


def test_an_organization_of_theirs_is_let_through():
    Administrator("alice", ("acme", "globex")).require("globex")


@pytest.mark.parametrize("org", ["", "ac", "acme2", "Acme", "acme ", "acme,globex", "*", "%"])
def test_only_the_exact_name_is_let_through(org):
    with pytest.raises(Problem) as raised:
        Administrator("alice", ("acme", "globex")).require(org)
    assert raised.value.body == not_found().body


def test_an_administrator_of_nothing_is_refused_everywhere():
    for org in ("acme", ""):
        with pytest.raises(Problem):
            Administrator("alice", ()).require(org)


def test_the_answer_does_not_repeat_the_organization():
    with pytest.raises(Problem) as raised:
        Administrator("alice", ()).require("initech")
    assert "initech" not in raised.value.detail + raised.value.title
