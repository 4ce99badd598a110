"""Ports on loopback."""

from __future__ import annotations

import socket

from orgtrail_deploy.errors import StackError

LOOPBACK = "127.0.0.1"


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
    """As many ports as asked for that nothing listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
