"""The same in processes that Python itself starts: ``python -m tests.support.hosts.processes HOW COUNT``."""

from __future__ import annotations

import multiprocessing
import os
import sys

PROCESSES = 4


def work(first: int, last: int) -> None:
    from tests.support.hosts.app import record

    for number in range(first, last):
        record(str(number))


def main(how: str, count: int) -> None:
    share = count // PROCESSES
    parts = [(n * share, (n + 1) * share) for n in range(PROCESSES)]
    if how == "os.fork":
        import tests.support.hosts.app

        children = []
        for first, last in parts:
            pid = os.fork()
            if pid == 0:
                work(first, last)
                # As a child of a fork often ends: without atexit, and without a word to the SDK.
                os._exit(0)
            children.append(pid)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        return
    context = multiprocessing.get_context(how)
    if how == "fork":
        import tests.support.hosts.app  # noqa: F401
    workers = [context.Process(target=work, args=part) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
