"""Finds and checks ports on loopback."""

from __future__ import annotations

import random
import socket

from orgtrail_deploy.errors import StackError

LOOPBACK = "127.0.0.1"

_BELOW_EPHEMERAL = (10_000, 32_000)


def require_free(port: int, what: str, setting: str) -> int:
    """Return the port if it is free.

    Raises:
        StackError: the port is in use. The message names the setting that changes it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise StackError(
                f"port {port} ({what}) is already in use: stop the program that uses it, or set"
                f" {setting} to another port"
            ) from error
    return port


def free_ports(count: int) -> list[int]:
    """Return ``count`` ports that are free at the moment.

    The ports are below the ephemeral range, so that no outgoing connection takes one before the
    server binds it.
    """
    found: list[int] = []
    for port in random.sample(range(*_BELOW_EPHEMERAL), 200 + count):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise StackError(f"cannot find {count} free ports on {LOOPBACK}: stop some programs first")
