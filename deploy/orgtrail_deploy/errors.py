"""What a command tells its user when it cannot go on."""

from __future__ import annotations


class StackError(Exception):
    """Something about this machine stops the stack; the message says what to do, in one line."""
