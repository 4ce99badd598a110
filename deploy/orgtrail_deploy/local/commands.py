"""The commands for a running local stack: ``orgtrail sql``, ``token``, ``sign-in``, ``down``."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import UTC, datetime

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.analyst import ask
from orgtrail_deploy.local.folders import default_root, running
from orgtrail_deploy.local.issuer import make_sign_in_code, make_token
from orgtrail_deploy.local.ports import LOOPBACK
from orgtrail_deploy.local.settings import recorded


def sql(query: str, *, format: str = "PrettyCompactMonoBlock") -> int:  # noqa: A002
    """Query the local ClickHouse as an analyst with access to the organizations acme and globex.

    FORMAT is one of ClickHouse's output formats, such as CSVWithNames or JSONEachRow.
    """
    root = default_root()
    if not (root / "secrets.json").exists():
        raise StackError(f"there is no stack in {root}: run make up first")
    port = recorded(root).clickhouse_http_port
    sys.stdout.write(ask(root, port, query, format))
    return 0


def token(*organizations: str, role: str = "admin") -> int:
    """Print an API token of the local stack for an administrator of ORGANIZATIONS.

    The default is acme and globex.
    """
    orgs = organizations or ("acme", "globex")
    print(make_token(default_root(), orgs, datetime.now(UTC), role=role))
    return 0


def sign_in(*organizations: str) -> int:
    """Print a new one-time sign-in link of the local stack for ORGANIZATIONS.

    The default is acme and globex.
    """
    root = default_root()
    if not root.exists():
        raise StackError(f"there is no stack in {root}: run make up first")
    code = make_sign_in_code(root, organizations or ("acme", "globex"), datetime.now(UTC))
    print(f"http://{LOOPBACK}:{recorded(root).page_port}/sign-in/{code}")
    return 0


def down(*, seconds: float = 60) -> int:
    """Stop the local stack. Its data stays.

    SECONDS is how long to wait for it.
    """
    root = default_root()
    pid = running(root)
    if pid is None:
        print(f"No stack is running in {root}.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while running(root) is not None:
        if time.monotonic() > deadline:
            raise StackError(f"the stack in {root} (process {pid}) is still running")
        time.sleep(0.1)
    print("Stopped.")
    return 0
