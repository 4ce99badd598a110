import json

import pytest
import uvicorn

from orgtrail_query_service import cli


@pytest.fixture
def started(monkeypatch):
    """What uvicorn is started with; settings that are enough are in the environment."""
    found = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **given: found.append((app, given)))
    monkeypatch.setattr("orgtrail_query_service.telemetry.configure_logs", lambda: None)
    monkeypatch.setenv("ORGTRAIL_JWT_ISSUER", "https://issuer.example")
    monkeypatch.setenv("ORGTRAIL_SECRET", "s" * 32)
    return found


def test_it_listens_on_loopback_and_trusts_no_proxy(started):
    assert cli.serve() == 0
    ((app, given),) = started
    assert app == "orgtrail_query_service.cli:application"
    assert (given["host"], given["port"], given["workers"]) == ("127.0.0.1", 8080, 1)
    assert (given["proxy_headers"], given["forwarded_allow_ips"]) == (False, "")
    assert (given["access_log"], given["server_header"]) == (False, False)


def test_settings_reach_the_server(started, monkeypatch):
    for name, value in {
        "HOST": "0.0.0.0",
        "PORT": "9000",
        "WORKERS": "3",
        "TRUSTED_PROXIES": "10.0.0.1",
        "SHUTDOWN_SECONDS": "7",
    }.items():
        monkeypatch.setenv(f"ORGTRAIL_{name}", value)
    assert cli.serve() == 0
    ((_, given),) = started
    assert (given["host"], given["port"], given["workers"]) == ("0.0.0.0", 9000, 3)
    assert (given["proxy_headers"], given["forwarded_allow_ips"]) == (True, "10.0.0.1")
    assert given["timeout_graceful_shutdown"] == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET", "short"),
        ("JWT_ISSUER", ""),
        ("PORT", "x"),
        ("KAFKA_BROKERS", "a:b:c"),
        ("JWKS_FILE", "/nowhere"),
    ],
)
def test_a_wrong_setting_is_one_line_and_nothing_starts(started, monkeypatch, capsys, name, value):
    monkeypatch.setenv(f"ORGTRAIL_{name}", value)
    assert cli.serve() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"orgtrail serve: ORGTRAIL_{name}")
    assert started == []


@pytest.mark.parametrize(
    "content", ["{", "{}", json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})]
)
def test_a_key_file_that_cannot_be_used_is_named_at_the_start(
    started, monkeypatch, tmp_path, capsys, content
):
    file = tmp_path / "jwks.json"
    file.write_text(content)
    monkeypatch.setenv("ORGTRAIL_JWKS_FILE", str(file))
    assert cli.serve() == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"orgtrail serve: {file}: ")
    assert started == []


def test_a_worker_makes_the_application_of_its_environment(started, monkeypatch):
    monkeypatch.setenv("ORGTRAIL_ADMIN_ROLE", "owner")
    made = {}
    monkeypatch.setattr(
        "orgtrail_query_service.app.served",
        lambda settings, _parts: made | {"role": settings.admin_role},
    )
    assert cli.application() == {"role": "owner"}
