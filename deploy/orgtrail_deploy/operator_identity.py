"""Who runs a command, as the actor of the events that it records."""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orgtrail import Actor


def operator() -> Actor:
    """The user of this machine, as ``name@machine``."""
    from orgtrail import Actor

    return Actor(type="user", id=f"{getpass.getuser()}@{socket.gethostname()}")
