"""``orgtrail events generate``: typed events for a company's own catalogue."""

from __future__ import annotations

import sys
from pathlib import Path

from cyclopts import App

from orgtrail.typed.generate import events_module
from orgtrail_schemas.catalogue import SHIPPED, read_catalogue

events = App(name="events", help="Make typed Python functions from a catalogue of events.")


@events.command(name="generate")
def events_generate(*, catalogue: Path, output: Path | None = None) -> int:
    """Write a Python module with one typed function for each event of a catalogue.

    Run it again after each change of the catalogue, and commit what it writes.

    Args:
        catalogue: The catalogue, a TOML file with [[event]] entries.
        output: The module to write, such as ours/audit_events.py; standard output by default.
    """
    try:
        # Producers read it together with ours: what clashes there is refused here.
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
        # The name of the file, and why: not the number of the error.
        print(f"orgtrail events generate: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"orgtrail events generate: {catalogue}: {error}", file=sys.stderr)
        return 1
    return 0
