"""The fences of the containers, as far as their settings show them without Docker."""

from pathlib import Path

import pytest
import yaml

from orgtrail_schemas.access import Analyst, access_sql, analysts_sql, passwords_wanted

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
SERVICES = COMPOSE["services"]
SERVERS = ("kafka", "clickhouse")


def test_three_services_are_reachable_and_only_from_this_machine():
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert published == {
        "query": ["127.0.0.1:8080:8080"],
        "keycloak": ["127.0.0.1:8180:8180"],
        "prometheus": ["127.0.0.1:9090:9090"],
    }
    assert not [
        name for name, s in SERVICES.items() if s.get("network_mode") or s.get("privileged")
    ]


@pytest.mark.parametrize("name", SERVERS)
def test_the_servers_connect_to_nothing_outside(name):
    """As the fence of the local stack: url(), remote() and s3() find nobody."""
    assert SERVICES[name]["networks"] == ["servers"]
    assert COMPOSE["networks"]["servers"] == {"internal": True}


def test_nothing_of_the_host_is_mounted_but_files_of_ours_to_read():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.startswith("./"):
                assert (ROOT / "deploy" / source).is_file()
                assert rest.endswith(":ro")
            elif not source.startswith("${"):
                assert source in COMPOSE["volumes"], (name, volume)


def test_no_two_services_share_a_volume():
    volumes = [v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", [])]
    named = [v for v in volumes if v in COMPOSE["volumes"]]
    assert sorted(named) == sorted(COMPOSE["volumes"])


def test_prometheus_asks_services_that_there_are():
    text = (ROOT / "deploy" / "monitoring" / "prometheus.yaml").read_text()
    jobs = yaml.safe_load(text)["scrape_configs"]
    asked = {
        name for job in jobs for found in job.get("dns_sd_configs", []) for name in found["names"]
    } | {
        t.split(":")[0] for job in jobs for s in job.get("static_configs", []) for t in s["targets"]
    }
    assert asked <= set(SERVICES)
    assert {"consumer-1", "consumer-2", "query", "clickhouse"} == asked


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_bounds(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    runs_once = service.get("command", [""])[0] in ("access", "migrate")
    assert service.get("restart") == (None if runs_once else "unless-stopped")


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


# Keycloak builds itself at its start.
WRITE = (*SERVERS, "keycloak")


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in WRITE])
def test_our_own_containers_may_change_nothing(name):
    assert SERVICES[name]["read_only"] is True
