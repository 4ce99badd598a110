"""Commands that use a running local stack."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.analyst import ask
from orgtrail_deploy.local.folders import default_root
from orgtrail_deploy.local.issuer import make_sign_in_code, make_token
from orgtrail_deploy.local.ports import LOOPBACK
from orgtrail_deploy.local.settings import LocalSettings


def sql(query: str, *, format: str = "PrettyCompactMonoBlock") -> int:  # noqa: A002
    """Ask the local ClickHouse as an analyst who was granted the organizations acme and globex.

    FORMAT is one of ClickHouse's output formats, such as CSVWithNames or JSONEachRow.
    """
    root = default_root()
    if not (root / "secrets.json").exists():
        raise StackError(f"there is no stack in {root}: run make up first")
    port = LocalSettings.load().clickhouse_http_port
    sys.stdout.write(ask(root, port, query, format))
    return 0


def token(*organizations: str, role: str = "admin") -> int:
    """Print a token of the local stack for an administrator of the organizations."""
    orgs = organizations or ("acme", "globex")
    print(make_token(default_root(), orgs, datetime.now(UTC), role=role))
    return 0


def sign_in(*organizations: str) -> int:
    """Print a new one-time sign-in link of the local stack."""
    root = default_root()
    if not root.exists():
        raise StackError(f"there is no stack in {root}: run make up first")
    code = make_sign_in_code(root, organizations or ("acme", "globex"), datetime.now(UTC))
    print(f"http://{LOOPBACK}:{LocalSettings.load().page_port}/sign-in/{code}")
    return 0
