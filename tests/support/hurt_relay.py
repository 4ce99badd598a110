"""``orgtrail relay`` that kills itself with SIGKILL: ``HURT=STEP:N`` is the N-th time at a step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

STEPS = ("taken", "sending", "acknowledged", "settling", "settled")
"""After rows were leased; when some are acknowledged; when all are; before COMMIT; after it."""


def hurt(step: str, count: int) -> None:
    """Let this process die when it comes to a step for the ``count``-th time."""
    from orgtrail.outbox.flight import Flight
    from orgtrail.outbox.store import Store

    left = count

    def reach(reached: str) -> None:
        nonlocal left
        if reached == step:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def after(kind: type, name: str, reached: str, when: Callable[..., bool]) -> None:
        inner = getattr(kind, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            result = inner(*arguments, **named)
            if when(result, *arguments):
                reach(reached)
            return result

        setattr(kind, name, wrapped)

    after(Store, "take", "taken", lambda result, *_: bool(result))
    after(Flight, "_told", "sending", lambda *_: True)
    after(Flight, "fly", "acknowledged", lambda *_: True)
    after(Store, "_run", "settling", lambda _result, _store, name: name == "release")
    after(Store, "settle", "settled", lambda *_: True)


def main() -> None:
    import cyclopts

    from orgtrail.outbox.cli import relay

    step, _, count = os.environ.get("HURT", "").partition(":")
    if step:
        hurt(step, int(count))
    cyclopts.run(relay)


if __name__ == "__main__":
    main()
