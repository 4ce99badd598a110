"""``make bench``: the consumer beside its peers, in one run on the same servers and events.

Prints a table, and each target with pass or FAIL; the last line is one JSON object. Takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from tests.benchmarks import engine
from tests.benchmarks.chart import bars
from tests.benchmarks.freshness import measure
from tests.benchmarks.lab import Lab, Progress, Used, lab, wait_stored
from tests.benchmarks.workload import messages
from tests.support.batches import FakeRecord, decode, find_current
from tests.support.registry import registry
from tests.support.service import service_environment

from orgtrail_consumers.kafka.batch import Batch
from orgtrail_consumers.kafka.records import Records
from orgtrail_consumers.steps.enrich import Resolvers, enrich
from orgtrail_consumers.steps.lookups.country import countries
from orgtrail_consumers.steps.lookups.user_agent import client as user_agent
from orgtrail_deploy.local.ports import free_ports
from orgtrail_schemas.event_schema import current_schema

TOPIC = "audit.events.v1"
CONFLUENT_TOPIC = "bench.confluent"
SLOW_TOPIC = "bench.slow"
ALL = ("ours", "ours_two_workers", "engine_1", "engine_2", "naive", "floor", "freshness")
TARGETS = {"naive": 20.0, "engine_1": 2.5, "engine_2": 1.9, "floor": 0.75}
"""How many times as fast as each peer one worker is to be."""

EVENTS_PER_SECOND = 150_000
PEAK_MB = 500
FRESH_MS = 1_000
AS_INSTALLED = Path(__file__).with_name("as_installed")


class Result(dict[str, Any]):
    """One line of the table."""

    @classmethod
    def of(cls, progress: Progress, used: Used) -> Result:
        micro = {name: s * 1e6 / progress.events for name, s in used.cpu.items()}
        return cls(
            events_per_second=round(progress.events / progress.seconds),
            **{f"{name}_us": round(value, 2) for name, value in micro.items()},
            peak_mb=round(used.peak / 1e6),
        )


@contextmanager
def process(
    command: list[str], env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, *command], env={**os.environ, **env}, stdout=out, stderr=out
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def environment(on: Lab) -> dict[str, str]:
    """The settings of our consumer in the lab, in a group of its own."""
    path = os.pathsep.join([str(AS_INSTALLED), os.environ.get("PYTHONPATH", "")])
    return {
        "PYTHONPATH": path.rstrip(os.pathsep),
        "ORGTRAIL_KAFKA_BROKERS": on.brokers,
        "ORGTRAIL_CLICKHOUSE_PORT": str(on.http_port),
        "ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD": on.passwords["audit_writer"],
        "ORGTRAIL_DATA_DIR": str(on.root / "consumer"),
        "ORGTRAIL_WEB_PORT": str(free_ports(1)[0]),
        "ORGTRAIL_CONSUMER_GROUP": f"ours-{time.time_ns()}",
    }


CONSUME = ["-m", "orgtrail_deploy.cli", "consume"]


def ours(on: Lab, total: int) -> Result:
    return measured(on, total, CONSUME, environment(on))


def ours_two(on: Lab, total: int) -> Result:
    """Two workers of one group; the CPU and memory are those of one of them."""
    env = environment(on)
    other = env | {
        "ORGTRAIL_WEB_PORT": str(free_ports(1)[0]),
        "ORGTRAIL_DATA_DIR": str(on.root / "second"),
    }
    on.truncate()
    with process(CONSUME, other, on.root / "second.log"):
        return measured(on, total, CONSUME, env)


def start(on: Lab) -> dict[str, float]:
    """What it takes until a worker is ready: seconds, seconds of CPU, and megabytes."""
    env = environment(on)
    began = time.monotonic()
    with process(CONSUME, env, on.root / "start.log") as child:
        while not _is_ready(f"http://127.0.0.1:{env['ORGTRAIL_WEB_PORT']}/readyz"):
            if time.monotonic() - began > 60:
                raise SystemExit("the worker does not become ready")
            time.sleep(0.02)
        took = time.monotonic() - began
        worker = psutil.Process(child.pid)
        cpu = worker.cpu_times()
        return {
            "ready_s": round(took, 2),
            "cpu_s": round(cpu.user + cpu.system, 2),
            "mb": round(worker.memory_info().rss / 1e6),
        }


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def freshness(
    on: Lab, total: int, rates: list[int], core: int | None = None
) -> list[dict[str, int]]:
    """At each rate, with one worker and the query service running.

    ``core`` is where the sender and the asker run; ``None``: wherever the others do.
    """
    port = free_ports(1)[0]
    env = environment(on) | {"ORGTRAIL_CONSUMER_GROUP": f"fresh-{time.time_ns()}"}
    serve = ["-m", "orgtrail_deploy.cli", "serve"]
    on.truncate()
    service = service_environment(on) | {"ORGTRAIL_PORT": str(port)}
    found = []
    with (
        process(CONSUME, env, on.root / "fresh.log"),
        process(serve, service, on.root / "serve.log"),
        on.admin() as client,
    ):
        # The group begins at the start of the topic: what lies there comes first.
        wait_stored(client, total, 60 + total / 2_000)
        if core is not None:
            os.sched_setaffinity(0, {core})
        for rate in rates:
            found.append(measure(on, port, rate, 20)._asdict())
    return found


def naive(on: Lab, total: int) -> Result:
    env = {
        "PYTHONPATH": environment(on)["PYTHONPATH"],
        "BROKERS": on.brokers,
        "TOPIC": SLOW_TOPIC,
        "HTTP_PORT": str(on.http_port),
    }
    return measured(on, total, ["-m", "tests.benchmarks.naive_faust"], env)


def floor(on: Lab, total: int) -> Result:
    block = on.root / "block.arrow"
    values = [m.value for m in messages(20_000, datetime.now(UTC))]
    batch = Batch(TOPIC, 0, Records.of(FakeRecord(v, offset=n) for n, v in enumerate(values)))
    rows = enrich(
        decode(values, find_current), batch, Resolvers(countries(None), user_agent), batch.records[0].timestamp
    ).rows  # fmt: skip
    with pa.OSFile(str(block), "wb") as out, pa.ipc.new_file(out, rows.schema) as writer:
        writer.write_table(rows)
    env = {
        "BROKERS": on.brokers,
        "TOPIC": TOPIC,
        "HTTP_PORT": str(on.http_port),
        "WRITER_PASSWORD": on.passwords["audit_writer"],
    }
    # Its rows repeat, so that merges take them away: the process's own end is what is timed.
    on.truncate()
    command = ["-m", "tests.benchmarks.floor", str(total), str(block)]
    began = time.monotonic()
    with process(command, env, on.root / "floor.log") as child, on.meter(child.pid) as used:
        child.wait(600)
    return Result.of(Progress(total, time.monotonic() - began), used[0])


def measured(on: Lab, total: int, command: list[str], env: dict[str, str]) -> Result:
    on.truncate()
    log = on.root / f"{command[1]}.log"
    with on.admin() as client, process(command, env, log) as child, on.meter(child.pid) as used:
        try:
            progress = wait_stored(client, total, 60 + total / 2_000)
        except TimeoutError as error:
            raise SystemExit(f"{command}: {error}\n{log.read_text()[-2000:]}") from error
    return Result.of(progress, used[0])


def table_engine(on: Lab, total: int, consumers: int, address: str) -> Result:
    on.truncate()
    with on.admin() as client, on.meter(None) as used:
        engine.create(client, on.brokers, CONFLUENT_TOPIC, address, consumers)
        try:
            progress = wait_stored(client, total, 60 + total / 5_000)
        finally:
            engine.drop(client)
    return Result.of(progress, used[0])


def run(
    total: int,
    rounds: int,
    only: set[str],
    spread: timedelta | None,
    console: Console,
    core: int | None = None,
) -> dict[str, Any]:
    results: dict[str, list[Result]] = {}
    slow = min(total, 100_000)
    now = datetime.now(UTC)
    with registry() as address, lab(connects=(int(address.rpartition(":")[2]),)) as on:
        console.print(f"Filling the topics with {total:,} events …")
        on.fill(TOPIC, messages(total, now, spread))
        on.fill(CONFLUENT_TOPIC, engine.confluent(messages(total, now, spread)))
        on.fill(SLOW_TOPIC, messages(slow, now, spread))
        size = len(next(messages(1, now)).value)
        started = start(on)
        for number in range(rounds):
            for name, made in {
                "ours": lambda: ours(on, total),
                "ours_two_workers": lambda: ours_two(on, total),
                "engine_1": lambda: table_engine(on, total, 1, address),
                "engine_2": lambda: table_engine(on, total, 2, address),
                **({"naive": lambda: naive(on, slow), "floor": lambda: floor(on, total)} if number == 0 else {}),
            }.items():  # fmt: skip
                if name not in only:
                    continue
                result = made()
                results.setdefault(name, []).append(result)
                console.print(f"{name}: {result['events_per_second']:,} events/s")
        full = max(r["events_per_second"] for r in results["ours"])
        rates = [1_000, int(full * 0.7)]
        fresh = freshness(on, total, rates, core) if "freshness" in only else []
    best = {
        name: max(found, key=lambda r: r["events_per_second"]) for name, found in results.items()
    }
    speed = {name: r["events_per_second"] for name, r in best.items()}
    ratios = {
        name: round(speed["ours"] / speed[name], 2) for name in TARGETS if {name, "ours"} <= only
    }
    return {
        "events": total,
        "event_bytes": size,
        "fingerprint": current_schema().fingerprint,
        "start": started,
        "results": best,
        "freshness": fresh,
        "ratios": ratios,
        "targets": [check._asdict() for check in checks(best["ours"], ratios, fresh)],
    }


class Check(NamedTuple):
    """A target, and whether it is met."""

    name: str
    measured: float
    target: float
    met: bool


def checks(own: Result, ratios: dict[str, float], fresh: list[dict[str, int]]) -> Iterator[Check]:
    """Every target that was measured."""
    speed, peak = own["events_per_second"], own["peak_mb"]
    yield Check("events/s, at least", speed, EVENTS_PER_SECOND, speed >= EVENTS_PER_SECOND)
    yield Check("peak MB, at most", peak, PEAK_MB, peak <= PEAK_MB)
    for name, ratio in ratios.items():
        target = TARGETS[name]
        yield Check(f"times as fast as {name}, at least", ratio, target, ratio >= target)
    for one in fresh:
        p99 = one["p99"]
        name = f"freshness p99 in ms at {one['rate']:,} events/s, at most"
        yield Check(name, p99, FRESH_MS, p99 <= FRESH_MS)


def show(console: Console, found: dict[str, Any]) -> None:
    table = Table(
        "consumer", "events/s", "its CPU µs", "ClickHouse µs", "Kafka µs", "peak MB", "ours is"
    )
    for name, r in found["results"].items():
        ratio = found["ratios"].get(name)
        table.add_row(
            name,
            f"{r['events_per_second']:,}",
            str(r.get("consumer_us", "")),
            str(r["clickhouse_us"]),
            str(r["kafka_us"]),
            str(r["peak_mb"] or ""),
            f"{ratio} times" if ratio else "",
        )
    console.print(table)
    started = found["start"]
    console.print(
        f"ready after {started['ready_s']} s, {started['cpu_s']} s of CPU, {started['mb']} MB"
    )
    for fresh in found["freshness"]:
        console.print(
            f"freshness at {fresh['rate']:,} events/s: p50 {fresh['p50']} ms, p99 {fresh['p99']} ms"
        )
    table = Table("target", "measured", "wanted", "")
    for check in found["targets"]:
        verdict = "pass" if check["met"] else "FAIL"
        table.add_row(check["name"], f"{check['measured']:,}", f"{check['target']:,}", verdict)
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default=",".join(ALL))
    parser.add_argument(
        "--days", type=float, help="spread the events over so many days (default: ten minutes)"
    )
    parser.add_argument(
        "--apart",
        action="store_true",
        help="keep one core for the sender and the asker of freshness; the others have the rest",
    )
    parser.add_argument("--chart", type=Path)
    arguments = parser.parse_args()
    console = Console(soft_wrap=True)
    spread = timedelta(days=arguments.days) if arguments.days else None
    only = set(arguments.only.split(","))
    core = None
    if arguments.apart:
        *others, core = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, others)
    found = run(arguments.events, arguments.rounds, only, spread, console, core)
    show(console, found)
    if arguments.chart:
        speeds = {name: r["events_per_second"] for name, r in found["results"].items()}
        arguments.chart.write_text(bars("Events per second", speeds), "utf-8")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
