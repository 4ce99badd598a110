"""``orgtrail up``: runs the whole stack until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from orgtrail.errors import AuditError
from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.analyst import ask
from orgtrail_deploy.local.demo import emit_demo
from orgtrail_deploy.local.folders import default_root, lock, make_private
from orgtrail_deploy.local.issuer import make_sign_in_code, make_token
from orgtrail_deploy.local.secrets import ANALYST, load_secrets
from orgtrail_deploy.local.settings import LocalSettings
from orgtrail_deploy.local.stack import Stack

ORGANIZATIONS = ("acme", "globex")

_QUERY = "SELECT org_id, event_name, count() FROM audit.events GROUP BY ALL ORDER BY 3 DESC LIMIT 5"


def up(*, check: bool = False) -> int:
    """Run the whole stack on this machine: Kafka, ClickHouse, the consumer and the page.

    Press Ctrl-C to stop it. The data stays in .orgtrail (or ORGTRAIL_HOME). With --check it runs in
    a new folder on free ports, sends one event of each type, and reads them back by API, CSV and
    SQL. It then prints the results and exits with 0 if all are correct, otherwise with 1.
    """
    console = Console(stderr=False, highlight=False, soft_wrap=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        if check:
            from orgtrail_deploy.local.check import run_check

            return run_check(console)
        return _run(console, default_root(), LocalSettings.load())
    except StackError as error:
        print(f"orgtrail up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 0


def _run(console: Console, root: Path, settings: LocalSettings) -> int:
    make_private(root)
    held = lock(root)
    stack = Stack(root, settings)
    try:
        start(stack, console)
        _emit_once(stack, console)
        _print_addresses(stack, console)
        while True:
            if line := stack.revive():
                console.print(line, markup=False)
            time.sleep(0.5)
    finally:
        stack.stop()
        held.close()


def start(stack: Stack, console: Console) -> None:
    """Start the stack, and show the progress on the console."""
    with console.status("Starting …") as status:

        def say(text: str) -> None:
            status.update(f"{text} …")
            if not console.is_terminal:
                console.print(text)

        def progress(done: int, total: int) -> None:
            if done < total:
                status.update(f"Downloading Kafka: {done} of {total} jars …")

        stack.start(say, progress)


def _emit_once(stack: Stack, console: Console) -> None:
    marker = stack.root / "demo"
    if marker.exists():
        return
    try:
        with console.status("Emitting a week of sample events …"):
            count = emit_demo(stack.producer_settings(service="accounts"), datetime.now(UTC))
            _wait_until_readable(stack, count)
    except AuditError as error:
        raise StackError(f"cannot emit the sample events: {error}") from error
    console.print(f"Emitted {count} sample events for two organizations.")
    marker.touch()


def _wait_until_readable(stack: Stack, count: int) -> None:
    deadline = time.monotonic() + 60
    query, port = "SELECT count() FROM audit.events", stack.settings.clickhouse_http_port
    while int(ask(stack.root, port, query, "TSV")) < count:
        if time.monotonic() > deadline:
            raise StackError(
                f"the sample events were not stored within 60 s: see the logs in {stack.root}"
            )
        time.sleep(0.1)


def _print_addresses(stack: Stack, console: Console) -> None:
    now = datetime.now(UTC)
    code = make_sign_in_code(stack.root, ORGANIZATIONS, now)
    token = make_token(stack.root, ORGANIZATIONS, now)
    password = load_secrets(stack.root).passwords[ANALYST.name]
    command = _command()
    port = stack.settings.clickhouse_tcp_port
    client = f"clickhouse-client --port {port} --user {ANALYST.name} --password {password}"
    console.print(
        f"""
Open the page as an administrator (this link works once, on this machine):
  {stack.page}/sign-in/{code}
Call the API:
  curl -H 'Authorization: Bearer {token}' '{stack.page}/v1/orgs/acme/events?limit=3'
Query with SQL, as an analyst with access to both organizations:
  {command} sql '{_QUERY}'
  {client}      (if you have clickhouse-client)
Emit an event:
  {command} emit user.login --org acme --actor you@acme.example

Ctrl-C stops everything, and so does {command} down in another terminal.""",
        markup=False,
    )


def _command() -> str:
    own = Path(sys.argv[0])
    try:
        return str(own.absolute().relative_to(Path.cwd()))
    except ValueError:
        return "orgtrail"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
