"""The ``orgtrail`` command-line tool. Each folder owns its commands; this module combines them.

A command is imported only when it runs, so ``orgtrail emit`` needs only the ``producer`` extra.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from orgtrail_deploy.errors import StackError
from orgtrail_schemas.settings import SettingsError

if TYPE_CHECKING:
    from cyclopts import App

COMMANDS = {
    "up": ("orgtrail_deploy.local.up:up", "Run the whole stack on this machine."),
    "down": ("orgtrail_deploy.local.commands:down", "Stop the local stack."),
    "emit": ("orgtrail.cli:emit", "Send audit events to Kafka."),
    "events": ("orgtrail.typed.cli:events", "Generate typed functions from a catalogue."),
    "relay": ("orgtrail.outbox.cli:relay", "Deliver events from outbox tables to Kafka."),
    "spool": ("orgtrail.delivery.cli:spool", "Inspect, retry and delete events on local disk."),
    "query": ("orgtrail_query_service.terminal.commands:query", "Show an organization's events."),
    "export": (
        "orgtrail_query_service.terminal.commands:export",
        "Download an organization's events.",
    ),
    "sql": ("orgtrail_deploy.local.commands:sql", "Query the local stack as an analyst."),
    "token": ("orgtrail_deploy.local.commands:token", "Print a token for the local stack's API."),
    "sign-in": ("orgtrail_deploy.local.commands:sign_in", "Print a new sign-in link."),
    "dlq": ("orgtrail_consumers.dead_letters.cli:dlq", "Inspect and replay dead letters."),
    "consume": ("orgtrail_consumers.cli:consume", "Run a consumer worker."),
    "serve": ("orgtrail_query_service.cli:serve", "Run the query service."),
    "migrate": ("orgtrail_deploy.migrate:migrate", "Migrate Kafka topics and ClickHouse tables."),
    "access": ("orgtrail_deploy.access:access", "Create the service users of ClickHouse."),
    "grant": ("orgtrail_deploy.grants.commands:grant", "Grant an analyst organizations."),
    "revoke": ("orgtrail_deploy.grants.commands:revoke", "Revoke an analyst's organizations."),
    "record-queries": (
        "orgtrail_deploy.record_queries:record_queries",
        "Record who read audit.events with SQL.",
    ),
    "backup": ("orgtrail_deploy.backups.commands:backup", "Back up ClickHouse's tables."),
    "restore": ("orgtrail_deploy.backups.commands:restore", "Restore ClickHouse's tables."),
    "rewind": ("orgtrail_deploy.rewind:rewind", "Read events again from Kafka."),
    "check": (
        "orgtrail_deploy.check.commands:check",
        "Check an installation, with an event on its way.",
    ),
    "grants": ("orgtrail_deploy.grants.commands:grants", "Show or apply what analysts may read."),
}
"""Maps each command to its import path and a one-line help text."""


def make_app(chosen: str | None) -> App:
    """The tool. Only the ``chosen`` command is imported; the others show a one-line help text."""
    from cyclopts import App, Parameter

    app = App(
        name="orgtrail",
        help="Audit logs for organizations.",
        version=version("orgtrail"),
        version_flags=["--version"],
        default_parameter=Parameter(negative=()),
    )
    for name, (import_path, text) in COMMANDS.items():
        if name == chosen:
            app.command(import_path, name=name)
        else:
            app.command(import_path, name=name, help=text)
    return app


_OF_THE_RUNNING_STACK = ("emit", "query", "export", "check")


def _use_the_running_stack(command: str) -> None:
    """Without settings of its own, a command means the local stack that runs in the folder."""
    from orgtrail_deploy.local.folders import default_root, running
    from orgtrail_deploy.local.ports import LOOPBACK
    from orgtrail_deploy.local.secrets import load_secrets
    from orgtrail_deploy.local.settings import recorded

    root = default_root()
    if running(root) is None:
        return
    ports = recorded(root)
    brokers = f"{LOOPBACK}:{ports.kafka_port}"
    os.environ.setdefault("ORGTRAIL_KAFKA_BROKERS", brokers)
    os.environ.setdefault("ORGTRAIL_URL", f"http://{LOOPBACK}:{ports.page_port}")
    if command == "check" and os.environ["ORGTRAIL_KAFKA_BROKERS"] == brokers:
        passwords = load_secrets(root).passwords
        os.environ.setdefault("ORGTRAIL_CLICKHOUSE_PORT", str(ports.clickhouse_http_port))
        os.environ.setdefault("ORGTRAIL_CLICKHOUSE_CHECKER_PASSWORD", passwords["audit_checker"])


def main() -> None:
    """Run the tool. An error that the user can fix is printed as one line.

    A reader that wants no more, such as ``head``, is no error.
    """
    code: int | str | None = 0
    try:
        try:
            _run()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
    except BrokenPipeError:
        # At its end, Python would flush what is left, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run() -> None:
    # The library's own line about a failure; ours says the same.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    chosen = next(iter(sys.argv[1:]), None)
    try:
        if chosen in _OF_THE_RUNNING_STACK:
            _use_the_running_stack(chosen)
        make_app(chosen)()
    except (StackError, SettingsError) as error:
        print(f"orgtrail: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        print(
            f"orgtrail: {error.name} is not installed: this command needs an extra, for example"
            " pip install 'orgtrail[cli,producer]' for emit, or 'orgtrail[local]' for all commands",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
