"""The one command-line tool. Each folder owns its commands; here they are put together.

A command is imported when it runs, so that ``orgtrail emit`` needs the producer's extra alone.
"""

from __future__ import annotations

import sys

from cyclopts import App

from orgtrail_deploy.errors import StackError

app = App(name="orgtrail", help="The audit trail of an organization.", version_flags=["--version"])
app.command("orgtrail.cli:emit", name="emit")
app.command("orgtrail_consumers.cli:consume", name="consume")
app.command("orgtrail_consumers.cli:dlq", name="dlq")
app.command("orgtrail_query_service.cli:serve", name="serve")
app.command("orgtrail_deploy.local.up:up", name="up")
app.command("orgtrail_deploy.local.commands:sql", name="sql")
app.command("orgtrail_deploy.local.commands:token", name="token")
app.command("orgtrail_deploy.local.commands:sign_in", name="sign-in")
app.command("orgtrail_deploy.migrate:migrate", name="migrate")
app.command("orgtrail_deploy.access:access", name="access")


def main() -> None:
    """Run the tool; errors that a user can mend are one line."""
    try:
        app()
    except StackError as error:
        print(f"orgtrail: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        print(
            f"orgtrail: {error.name} is not installed: this command needs an extra, for example"
            " pip install 'orgtrail[local]'",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
