"""The error that a command reports to its user."""

from __future__ import annotations


class StackError(Exception):
    """The command cannot continue. The message is one line and names the fix."""
