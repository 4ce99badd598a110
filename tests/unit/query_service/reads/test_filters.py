import re

import pytest
from tests.support.query_parts import NOW

from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.filters import FILTERS
from orgtrail_query_service.reads.search import parse_search
from orgtrail_schemas.catalogue import LEVELS, OUTCOMES
from orgtrail_schemas.tables import event_columns

ALL = pytest.mark.parametrize("filter_", FILTERS, ids=lambda f: f.name)
NAMES = {f.name for f in FILTERS}
OTHER_PARAMETERS = {"since", "until", "order", "limit", "cursor", "bom", "last", "from", "to", "tz", "org", "keys", "after"}  # fmt: skip


def test_no_filter_has_the_name_of_another_parameter():
    assert len(NAMES) == len(FILTERS)
    assert not NAMES & OTHER_PARAMETERS


@ALL
def test_the_value_is_a_parameter_of_the_filters_own_name_and_type(filter_):
    kinds = {f"{filter_.name}:String", f"{filter_.name}:Array(String)"}
    (found,) = set(re.findall(r"{(.*?)}", filter_.sql))
    assert found in kinds
    assert filter_.repeatable or found.endswith(":String")
    if filter_.prefix_sql:
        assert re.findall(r"{(.*?)}", filter_.prefix_sql) == [
            f"{filter_.name}_prefixes:Array(String)"
        ]


@ALL
def test_only_columns_of_events_are_named(filter_):
    columns = {c.name for c in event_columns()} | {"targets"}
    bare = re.sub(r"{.*?}", "", filter_.sql)
    words = set(re.findall(r"\b[a-z]+(?:[._][a-z]+)*\b(?!\()", bare)) - {"t", "email"}
    assert words <= columns, words - columns


@ALL
def test_an_alternative_cannot_leave_its_clause(filter_):
    for sql in (filter_.sql, filter_.prefix_sql):
        if " OR " in sql:
            assert sql.startswith("(")
            assert sql.endswith(")")
        assert sql.count("(") == sql.count(")")


@ALL
def test_the_example_can_be_searched_for(filter_):
    ((found, values),) = parse_search([(filter_.name, filter_.example)], NOW).values
    assert (found, values) == (filter_, (filter_.example,))


def test_a_prefix_or_a_negation_is_for_several_values():
    assert all(f.repeatable for f in FILTERS if f.prefix_sql or f.negated)


def test_choices_are_those_of_the_catalogue():
    assert {f.name: f.choices for f in FILTERS if f.choices} == {
        "level": LEVELS,
        "outcome": OUTCOMES,
    }
    assert all((f.control == "choice") == bool(f.choices) for f in FILTERS)


def test_tags_are_those_of_the_index_and_a_negation_has_none():
    held = set(re.findall(r"(?:'|\\0)(\w+)=", statements.TOKENS))
    assert {tag for f in FILTERS for tag in f.tags} == held
    assert not any(f.tags for f in FILTERS if f.negated)
