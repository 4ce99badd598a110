import re
from xml.etree import ElementTree

import pytest

from orgtrail_schemas.access import Analyst, access, access_sql, policy, users_xml

ANALYSTS = [Analyst("none"), Analyst("some", ("acme", "o'neill")), Analyst("all", ("*",))]
PASSWORDS = {
    name: f"pw-{name}" for name in [r.name for r in access().role] + ["none", "some", "all"]
}


def _grants_of_xml():
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    return {
        user.tag: {q.text.removeprefix("GRANT ") for q in user.findall("grants/query")}
        for user in root.find("users")
        if user.tag != "default"
    }


def _grants_of_sql():
    found = {name: set() for name in PASSWORDS}
    for statement in access_sql(PASSWORDS, ANALYSTS):
        if match := re.fullmatch(r"GRANT (.+) TO `(\w+)`", statement):
            found[match[2]].add(match[1])
    return found


def test_both_forms_grant_the_same():
    assert _grants_of_xml() == _grants_of_sql()
    assert all(_grants_of_xml().values())


def test_both_forms_hold_each_profile():
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    sql = "\n".join(access_sql(PASSWORDS, ANALYSTS))
    for name, settings in access().profiles.items():
        assert {s.tag: s.text for s in root.find(f"profiles/{name}")} == {
            key: str(value) for key, value in settings.items()
        }
        assert f"PROFILE OR REPLACE {name} " in sql


def test_every_analyst_has_a_policy_before_a_grant():
    statements = access_sql(PASSWORDS, ANALYSTS)
    for analyst in ANALYSTS:
        rule = next(
            i for i, s in enumerate(statements) if f"ROW POLICY OR REPLACE `{analyst.name}`" in s
        )
        first_grant = next(
            i
            for i, s in enumerate(statements)
            if s.endswith(f"TO `{analyst.name}`") and s.startswith("GRANT")
        )
        assert rule < first_grant
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    for analyst in ANALYSTS:
        filters = root.findall(f"users/{analyst.name}/databases/audit/events/filter")
        assert [f.text for f in filters] == [policy(analyst)]


def test_policies_deny_first_and_quote():
    assert [policy(a) for a in ANALYSTS] == ["0", "org_id IN ('acme', 'o\\'neill')", "1"]


def test_no_password_is_written():
    for form in (users_xml(PASSWORDS, ANALYSTS), "\n".join(access_sql(PASSWORDS, ANALYSTS))):
        assert "pw-" not in form


def test_only_orgtrails_own_processes_reach_the_storage_table():
    """Its row policies are on the view, so whoever reads with SQL must not pass by it."""
    found = _grants_of_xml()
    reach = {n for n, grants in found.items() if any("events_store" in g for g in grants)}
    assert reach == {"audit_writer", "audit_reader"}
    assert {n for n, grants in found.items() if any("audit.*" in g for g in grants)} == {
        "audit_migrator"
    }
    assert not any(g.startswith("SELECT") for g in found["audit_writer"])
    assert all(g.startswith("SELECT") for g in found["audit_reader"])


def test_a_missing_password_is_an_error():
    with pytest.raises(KeyError):
        users_xml({}, [])


def test_both_forms_hold_each_quota():
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    sql = "\n".join(access_sql(PASSWORDS, ANALYSTS))
    for name, quota in access().quotas.items():
        interval = root.find(f"quotas/{name}/interval")
        assert interval.findtext("queries") == str(quota.queries)
        holders = {user.tag for user in root.find("users") if user.findtext("quota") == name}
        (line,) = [x for x in sql.splitlines() if x.startswith(f"CREATE QUOTA OR REPLACE {name} ")]
        assert f"MAX queries = {quota.queries}, execution_time = {quota.execution_time} TO" in line
        assert {h.strip(" `") for h in line.split(" TO ")[1].split(",")} == holders
    assert all(user.findtext("quota") for user in root.find("users"))
