"""``orgtrail events generate``: typed functions for the events of your own catalogue."""

from __future__ import annotations

import sys
from pathlib import Path

from cyclopts import App

from orgtrail.typed.generate import events_module
from orgtrail_schemas.catalogue import SHIPPED, read_catalogue

events = App(name="events", help="Generate typed Python functions from an event catalogue.")


@events.command(name="generate")
def events_generate(*, catalogue: Path, output: Path | None = None) -> int:
    """Generate a Python module with one typed function per event of a catalogue.

    Run it again whenever the catalogue changes, and commit the generated module.

    Args:
        catalogue: The catalogue, a TOML file with [[event]] entries.
        output: The module to write, such as ours/audit_events.py. Defaults to standard output.
    """
    try:
        # Producers merge it with the shipped catalogue, so report conflicts between the two now.
        read_catalogue(SHIPPED, catalogue)
        text = events_module(
            read_catalogue(catalogue),
            own=True,
            module=output.stem if output else "audit_events",
            made_by="`orgtrail events generate`",
        )
        if output is None:
            sys.stdout.write(text)
        else:
            output.write_text(text, "utf-8")
    except OSError as error:
        # Print the file name and the reason only; str(error) begins with the errno.
        print(f"orgtrail events generate: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"orgtrail events generate: {catalogue}: {error}", file=sys.stderr)
        return 1
    return 0
