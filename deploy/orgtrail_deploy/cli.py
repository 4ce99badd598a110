"""The one command-line tool. Each folder owns its commands; here they are put together.

A command is imported when it runs, so that ``orgtrail emit`` needs the producer's extra alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from orgtrail_deploy.errors import StackError

if TYPE_CHECKING:
    from cyclopts import App

COMMANDS = {
    "up": ("orgtrail_deploy.local.up:up", "Run the whole stack on this machine."),
    "emit": ("orgtrail.cli:emit", "Send audit events to Kafka."),
    "events": ("orgtrail.typed.cli:events", "Make typed functions from a catalogue."),
    "relay": ("orgtrail.outbox.cli:relay", "Deliver what services committed to their outbox."),
    "spool": ("orgtrail.delivery.cli:spool", "List, show, retry and drop what waits on disk."),
    "query": ("orgtrail_query_service.terminal.commands:query", "Show an organization's events."),
    "export": (
        "orgtrail_query_service.terminal.commands:export",
        "Download an organization's events.",
    ),
    "sql": ("orgtrail_deploy.local.commands:sql", "Ask the local stack as an analyst."),
    "token": ("orgtrail_deploy.local.commands:token", "Print a token for the local stack's API."),
    "sign-in": ("orgtrail_deploy.local.commands:sign_in", "Print a new link to the local page."),
    "dlq": ("orgtrail_consumers.dead_letters.cli:dlq", "List, show and replay dead letters."),
    "consume": ("orgtrail_consumers.cli:consume", "Run a consumer."),
    "serve": ("orgtrail_query_service.cli:serve", "Run the query service."),
    "migrate": ("orgtrail_deploy.migrate:migrate", "Bring Kafka and ClickHouse to this version."),
    "access": ("orgtrail_deploy.access:access", "Make the users of a real ClickHouse server."),
}
"""Each command with where it is, and what it does in a line; imported when it runs."""


def make_app(chosen: str | None) -> App:
    """The tool. The overview says a line of each command; the ``chosen`` one says all it has."""
    from cyclopts import App, Parameter

    app = App(
        name="orgtrail",
        help="The audit trail of an organization.",
        version_flags=["--version"],
        default_parameter=Parameter(negative=()),
    )
    for name, (where, text) in COMMANDS.items():
        if name == chosen:
            app.command(where, name=name)
        else:
            app.command(where, name=name, help=text)
    return app


def main() -> None:
    """Run the tool; errors that a user can mend are one line."""
    try:
        make_app(next(iter(sys.argv[1:]), None))()
    except StackError as error:
        print(f"orgtrail: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        print(
            f"orgtrail: {error.name} is not installed: this command needs an extra, for example"
            " pip install 'orgtrail[cli,producer]' for emit, or 'orgtrail[local]' for all of them",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
