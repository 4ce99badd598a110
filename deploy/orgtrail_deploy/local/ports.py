"""Ports on loopback."""

from __future__ import annotations

import random
import socket

from orgtrail_deploy.errors import StackError

LOOPBACK = "127.0.0.1"

_BELOW_EPHEMERAL = (10_000, 32_000)


def require_free(port: int, what: str, setting: str) -> int:
    """The port, when nothing listens on it.

    Raises:
        StackError: something does; the message names the setting that moves it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise StackError(
                f"port {port} ({what}) is taken: stop what listens there, or set {setting} to"
                " another port"
            ) from error
    return port


def free_ports(count: int) -> list[int]:
    """As many ports as asked for that nothing listens on at this moment.

    They lie below the range that systems take outgoing connections' ports from, so that none of
    those takes one before a server does.
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
    raise StackError(f"this machine has no {count} free ports")
