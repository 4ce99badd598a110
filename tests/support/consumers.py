"""Further consumers of the same group, beside the stack's own."""

from __future__ import annotations

import sys

from tests.support.running import Running

from orgtrail_deploy.local.process import Child


def start_another(running: Running, web_port: int) -> Child:
    """Start one; it joins the group by itself."""
    folder = running.stack.root / f"consumer-{web_port}"
    return Child(
        f"consumer {web_port}",
        [sys.executable, "-m", "orgtrail_deploy.cli", "consume"],
        log=running.stack.root / "logs" / f"consumer-{web_port}.log",
        env=running.stack.environment()
        | {"ORGTRAIL_WEB_PORT": str(web_port), "ORGTRAIL_DATA_DIR": str(folder)},
    )
