import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from orgtrail_schemas.access import (
    LOOPBACK,
    Analyst,
    access,
    access_sql,
    analysts_sql,
    passwords_wanted,
    policy,
    users_xml,
)

DOCS = Path(__file__).resolve().parents[3] / "docs"
ANALYSTS = [
    Analyst("none"),
    Analyst("some", ("acme", "o'neill")),
    Analyst("all", ("*",)),
    Analyst("writes", ("acme",), "their_own"),
]
PASSWORDS = {name: f"pw-{name}" for name in [*passwords_wanted(), *(a.name for a in ANALYSTS)]}


def sql_of(services_from=LOOPBACK, analysts_from=LOOPBACK):
    """Both lists of statements, in the order in which they are applied."""
    return access_sql(PASSWORDS, services_from=services_from) + analysts_sql(
        ANALYSTS, PASSWORDS, (), analysts_from=analysts_from
    )


def _grants_of_xml():
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    return {
        user.tag: {q.text.removeprefix("GRANT ") for q in user.findall("grants/query")}
        for user in root.find("users")
        if user.tag != "default"
    }


def _grants_of_sql():
    found = {name: set() for name in [*PASSWORDS, "audit_definer"]}
    for statement in sql_of():
        if match := re.fullmatch(r"GRANT (.+) TO `(\w+)`(?: WITH REPLACE OPTION)?", statement):
            found[match[2]].add(match[1])
    return found


def test_both_forms_grant_the_same():
    assert _grants_of_xml() == _grants_of_sql()
    assert all(_grants_of_xml().values())


def test_both_forms_hold_each_profile():
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    sql = "\n".join(sql_of())
    for name, settings in access().profiles.items():
        of_xml = {s.tag: s.text for s in root.find(f"profiles/{name}") if s.tag != "constraints"}
        assert of_xml == {key: str(value) for key, value in settings.items()}
        assert f"ALTER SETTINGS PROFILE {name} SETTINGS " in sql


def test_every_analyst_has_a_policy_before_a_grant():
    statements = sql_of()
    for analyst in ANALYSTS:
        rule = next(
            i for i, s in enumerate(statements) if f"ROW POLICY OR REPLACE `{analyst.name}`" in s
        )
        first_grant = next(
            i
            for i, s in enumerate(statements)
            if f"TO `{analyst.name}`" in s and s.startswith("GRANT")
        )
        assert rule < first_grant
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    for analyst in ANALYSTS:
        filters = root.findall(f"users/{analyst.name}/databases/audit/events/filter")
        assert [f.text for f in filters] == [policy(analyst)]


def test_policies_deny_first_and_quote():
    assert [policy(a) for a in ANALYSTS] == [
        "0",
        "org_id IN ('acme', 'o\\'neill')",
        "1",
        "org_id IN ('acme')",
    ]


def test_no_password_is_written():
    for form in (users_xml(PASSWORDS, ANALYSTS), "\n".join(sql_of())):
        assert "pw-" not in form


def test_only_orgtrails_own_processes_reach_the_storage_table():
    """Its row policies are on the view, so whoever reads with SQL must not pass by it."""
    found = _grants_of_xml()
    reach = {n for n, grants in found.items() if any("events_store" in g for g in grants)}
    assert reach == {"audit_writer", "audit_reader", "audit_definer", "audit_checker"}
    # The checker sees that an event is there, and not what happened.
    (shown,) = [g for g in found["audit_checker"] if "events_store" in g]
    assert shown == ("SELECT(event_id, occurred_at, org_id, received_at) ON audit.events_store")
    everywhere = {n: [g for g in grants if "audit.*" in g] for n, grants in found.items()}
    assert {n for n, grants in everywhere.items() if grants} == {"audit_migrator", "audit_checker"}
    assert all(g.startswith("SHOW ") for g in everywhere["audit_checker"])
    assert not any(g.startswith("SELECT") for g in found["audit_writer"])
    assert all(g.startswith("SELECT") for g in found["audit_reader"])


def test_whoever_has_no_policy_of_their_own_sees_nothing():
    first = sql_of()[0]
    assert first == "CREATE ROW POLICY OR REPLACE nobody ON audit.events USING 0 TO ALL"


def test_users_sign_in_from_the_networks_that_are_named_and_by_default_from_the_server_itself():
    def hosts(**networks):
        found = sql_of(**networks)
        users = [
            re.match(r"CREATE USER OR REPLACE `(\w+)` .* HOST (.*) SETTINGS", s) for s in found
        ]
        return {match[1]: match[2] for match in users if match}

    local = "IP '127.0.0.1', IP '::1'"
    assert hosts() == dict.fromkeys(PASSWORDS, local) | {"audit_definer": "NONE"}
    given = hosts(services_from=["10.0.0.0/8"], analysts_from=["2001:db8::/32", "192.0.2.7"])
    assert given["audit_writer"] == "IP '10.0.0.0/8'"
    assert given["some"] == "IP '2001:db8::/32', IP '192.0.2.7'"
    assert given["audit_definer"] == "NONE"
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    assert {u.tag for u in root.find("users") if not u.findall("networks/ip")} == {"audit_definer"}


def test_a_missing_password_is_an_error():
    with pytest.raises(KeyError):
        users_xml({}, [])


def test_both_forms_hold_each_quota():
    root = ElementTree.fromstring(users_xml(PASSWORDS, ANALYSTS))
    sql = "\n".join(sql_of())
    for name, quota in access().quotas.items():
        interval = root.find(f"quotas/{name}/interval")
        assert interval.findtext("queries") == str(quota.queries)
        holders = {user.tag for user in root.find("users") if user.findtext("quota") == name}
        (line,) = [x for x in sql.splitlines() if x.startswith(f"CREATE QUOTA OR REPLACE {name} ")]
        assert f"MAX queries = {quota.queries}, execution_time = {quota.execution_time} TO" in line
        assert {h.strip(" `") for h in line.split(" TO ")[1].split(",")} == holders
    assert all(user.findtext("quota") for user in root.find("users"))


def test_a_known_analyst_keeps_their_password_and_whoever_is_not_named_is_dropped():
    found = analysts_sql([Analyst("ana", ("acme",))], {}, ["ana", "eve"])
    options = "HOST IP '127.0.0.1', IP '::1' SETTINGS PROFILE 'audit_analyst'"
    assert found[:3] == [
        f"ALTER USER `ana` {options}",
        "CREATE ROW POLICY OR REPLACE `ana` ON audit.events USING org_id IN ('acme') TO `ana`",
        "GRANT SELECT ON audit.events TO `ana` WITH REPLACE OPTION",
    ]
    assert found[3:6] == [
        "DROP USER IF EXISTS `eve`",
        "DROP ROW POLICY IF EXISTS `eve` ON audit.events",
        "KILL QUERY WHERE user = 'eve' ASYNC",
    ]
    assert found[6].endswith(" TO `ana`")


def test_a_new_password_of_a_known_analyst_is_set():
    (first, *_) = analysts_sql([Analyst("some")], PASSWORDS, ["some"])
    assert first.startswith("CREATE USER OR REPLACE `some` IDENTIFIED WITH sha256_hash BY '")


def test_a_new_analyst_needs_a_password():
    with pytest.raises(KeyError, match="ana"):
        analysts_sql([Analyst("ana")], {}, [])


def test_the_settings_that_clients_may_send_are_documented():
    text = (DOCS / "data-teams.md").read_text("utf-8")
    listed = re.search(r"## Settings that your client may send\n(.*?)\n## ", text, re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", listed)) == set(access().changeable["audit_analyst"])


def test_a_workspace_lifts_no_limit_of_an_analyst():
    """What is only readable because readonly is 1 has to be constant where it is not."""
    analyst, workspace = (access().profiles[f"audit_{name}"] for name in ("analyst", "workspace"))
    assert workspace.items() >= (analyst.items() - {("readonly", 1)})
    limits = {"max_execution_time", "max_memory_usage"}
    for name in limits:
        bounds = access().changeable
        assert bounds["audit_workspace"][name] == bounds["audit_analyst"][name]
    harmless = {"cancel_http_readonly_queries_on_client_close", "network_compression_method"}
    assert set(access().constant["audit_workspace"]) == set(workspace) - limits - harmless
