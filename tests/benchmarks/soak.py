"""``make soak``: the consumer at 70 % of its full speed for half an hour, with flat memory.

Prints memory, lag and rate over time; the last line is one JSON object. Exits 1 when memory grew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import suppress
from statistics import mean

import psutil
from rich.console import Console
from tests.benchmarks.consumer import environment, process
from tests.benchmarks.lab import lab, wait_stored

from orgtrail_schemas.topics import EVENTS_TOPIC

_EVERY_S = 10
_MAY_GROW = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=50_000, help="events/s")
    arguments = parser.parse_args()
    console = Console(soft_wrap=True)
    seconds = arguments.minutes * 60
    memory: list[float] = []
    with lab() as on, on.admin() as client:
        count = "SELECT count() FROM audit.events_store"
        command = ["-m", "orgtrail_deploy.cli", "consume"]
        with process(command, environment(on), on.root / "soak.log") as child:
            worker = psutil.Process(child.pid)
            sender = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.sender", on.brokers, EVENTS_TOPIC,
                 str(arguments.rate), str(seconds)],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            before, began = 0, time.monotonic()
            while sender.poll() is None:
                time.sleep(_EVERY_S)
                stored = int(client.query(count).result_rows[0][0])
                memory.append(worker.memory_info().rss / 1e6)
                rate = (stored - before) / _EVERY_S
                before = stored
                elapsed = time.monotonic() - began
                console.print(f"{elapsed:6.0f} s {memory[-1]:5.0f} MB {rate:9,.0f} events/s")
            sent = int((sender.stdout.read() if sender.stdout else "0") or 0)
            with suppress(TimeoutError):
                wait_stored(client, sent, 60 + sent / 2_000)
            stored = int(client.query(count).result_rows[0][0])
    quarter = max(1, len(memory) // 4)
    early, late = mean(memory[quarter : 2 * quarter]), mean(memory[-quarter:])
    found = {
        "minutes": arguments.minutes,
        "rate": arguments.rate,
        "sent": sent,
        "stored": stored,
        "peak_mb": round(max(memory)),
        "second_quarter_mb": round(early),
        "last_quarter_mb": round(late),
        "growth": round(late / early - 1, 3),
    }
    print(json.dumps(found))
    return 0 if stored == sent and late <= early * (1 + _MAY_GROW) else 1


if __name__ == "__main__":
    sys.exit(main())
