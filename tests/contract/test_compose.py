"""The fences of the containers, as far as their settings show them without Docker."""

from pathlib import Path

import pytest
import yaml

from orgtrail_schemas.access import Analyst, access_sql, analysts_sql, passwords_wanted

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
SERVICES = COMPOSE["services"]
SERVERS = ("kafka", "clickhouse")


def test_only_the_query_service_is_reachable_and_only_from_this_machine():
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert published == {"query": ["127.0.0.1:8080:8080"]}
    assert not [
        name for name, s in SERVICES.items() if s.get("network_mode") or s.get("privileged")
    ]


@pytest.mark.parametrize("name", SERVERS)
def test_the_servers_connect_to_nothing_outside(name):
    """As the fence of the local stack: url(), remote() and s3() find nobody."""
    assert SERVICES[name]["networks"] == ["servers"]
    assert COMPOSE["networks"]["servers"] == {"internal": True}


def test_nothing_of_the_host_is_mounted_into_the_servers():
    for name in SERVERS:
        for volume in SERVICES[name]["volumes"]:
            assert volume.split(":")[0] in COMPOSE["volumes"], volume


def test_nobody_signs_in_without_a_password():
    """With a user of its own the image has no user called default."""
    environment = SERVICES["clickhouse"]["environment"]
    assert environment["CLICKHOUSE_USER"] not in ("", "default")
    assert environment["CLICKHOUSE_PASSWORD"] == "${ORGTRAIL_CLICKHOUSE_ADMIN_PASSWORD:?}"
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable or variable.endswith("SECRET"):
                assert value.endswith(":?}"), (name, variable)


def test_an_analyst_is_granted_no_source_of_data_but_the_view():
    passwords = dict.fromkeys([*passwords_wanted(), "ana"], "p")
    statements = access_sql(passwords) + analysts_sql([Analyst("ana", ("acme",))], passwords, [])
    grants = [s for s in statements if s.startswith("GRANT") and "TO `ana`" in s]
    assert grants == ["GRANT SELECT ON audit.events TO `ana` WITH REPLACE OPTION"]
    for word in ("FILE", "URL", "REMOTE", "S3", "READ ON", "SOURCES", "TEMPORARY", "ALL ON"):
        assert not [s for s in statements if s.startswith(f"GRANT {word}")], word


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in SERVERS])
def test_our_own_containers_may_change_nothing(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
