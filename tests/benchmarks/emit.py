"""``make bench-emit``: what ``emit`` costs its caller, beside other SDKs, and how a backlog drains.

Each line is measured in a process of its own. "Quiet" is the lower quartile of 100 windows: on a
shared machine the windows in which nobody else ran tell what the code costs.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.mock_broker import MockBroker

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".orgtrail" / "peers"
LOCK = Path(__file__).with_name("peers.lock")
WINDOWS = 100
NOWHERE = "127.0.0.1:1"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
TARGETS = [
    ("emit, full", "quiet median", "at most", 15.0),
    ("emit, full", "quiet p99", "at most", 100.0),
    ("emit, full, Kafka unreachable", "quiet median", "at most", 15.0),
    ("100,000 waiting", "bytes an event", "at most", 1_000.0),
    ("import orgtrail", "import ms", "at most", 80.0),
    ("import orgtrail", "MB", "at most", 15.0),
    ("backlog", "drained/s", "at least", 20_000.0),
    ("backlog", "emit p99", "at most", 100.0),
]
"""Of a machine like that of docs/benchmarks.md; elsewhere compare with the other SDKs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--backlog", type=int, default=1_500_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        name, broker, calls = given.measure
        print(json.dumps(MEASURES[name](broker, int(calls))))
        return
    _install_peers()
    rows = {}
    for name in MEASURES:
        if given.only and given.only not in name:
            continue
        broker = MockBroker()
        calls = given.backlog if name == "backlog" else given.calls
        rows[name] = _in_a_process(name, broker.address, calls)
        broker.close()
        print(f"{name:34} {_shown(rows[name])}", flush=True)
    for name, figure, rule, bound in TARGETS:
        value = rows.get(name, {}).get(figure)
        if value is not None:
            met = value <= bound if rule == "at most" else value >= bound
            print(
                f"{name}, {figure}: {value:,.1f}, {rule} {bound:,.0f}: {'met' if met else 'missed'}"
            )
    print(json.dumps(rows))


def _in_a_process(name: str, broker: str, calls: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.emit", "--measure", name, broker, str(calls)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{PEERS}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"failed": done.returncode, "why": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def _install_peers() -> None:
    if not PEERS.exists() and LOCK.exists():
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "install", "-q", "--require-hashes", "--target",
             str(PEERS), "-r", str(LOCK)],
            check=True,
        )  # fmt: skip


def _shown(row: dict[str, float]) -> str:
    return "  ".join(
        f"{k} {v:,.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
    )


def windows(call: Callable[[], object], calls: int) -> dict[str, float]:
    """The median and 99th percentile of single calls, in µs, over all and in quiet windows."""
    for _ in range(2_000):
        call()
    clock, each = time.perf_counter_ns, max(calls // WINDOWS, 100)
    medians, tails, everything = [], [], []
    for _ in range(WINDOWS):
        took = []
        for _ in range(each):
            began = clock()
            call()
            took.append(clock() - began)
        took.sort()
        medians.append(took[each // 2] / 1000)
        tails.append(took[int(each * 0.99)] / 1000)
        everything += took
    everything.sort()
    medians.sort()
    tails.sort()
    return {
        "median": everything[len(everything) // 2] / 1000,
        "p99": everything[int(len(everything) * 0.99)] / 1000,
        "quiet median": medians[WINDOWS // 4],
        "quiet p99": tails[WINDOWS // 4],
        "max": everything[-1] / 1000,
    }


def _producer(broker: str, **settings: object):
    from orgtrail import AuditProducer, ProducerSettings

    logging.disable()
    folder = tempfile.mkdtemp(prefix="orgtrail-bench-", dir=ROOT / ".orgtrail")
    given = {"kafka_brokers": broker, "spool_dir": folder, "spool_megabytes": 4_000} | settings
    return AuditProducer(ProducerSettings.load(**given))


def _full(audit, name: str = "Alice Moreau") -> Callable[[], object]:
    from orgtrail import Actor, Change, Context, Target

    def call() -> object:
        return audit.emit(
            "org.user.role.updated",
            org_id="acme",
            actor=Actor(id="u-1", email="alice@acme.example", name=name),
            targets=[Target(type="user", id="u-2", email="bob@acme.example", name=name)],
            changes=[Change(field="role", old="member", new="admin")],
            context=Context(
                ip="80.67.169.12", user_agent=AGENT, request_id="req-1", session_id="s"
            ),
            metadata={"reason": "asked", "ticket": "T-1"},
        )

    return call


def smallest(broker: str, calls: int) -> dict[str, float]:
    from orgtrail import Actor

    audit = _producer(broker)
    return windows(lambda: audit.emit("user.login", org_id="acme", actor=Actor(id="u")), calls)


def full(broker: str, calls: int) -> dict[str, float]:
    return windows(_full(_producer(broker)), calls)


def full_away(_broker: str, calls: int) -> dict[str, float]:
    return windows(_full(_producer(NOWHERE)), calls)


def full_memory(broker: str, calls: int) -> dict[str, float]:
    # Whatever Kafka takes meanwhile: the bound in memory is not what is measured.
    bounds = {"buffer_kilobytes": 2_000_000, "buffer_events": 10_000_000}
    return windows(_full(_producer(broker, spool="memory", **bounds)), calls)


def full_accents(broker: str, calls: int) -> dict[str, float]:
    return windows(_full(_producer(broker), "Ålîçé Mörèåü"), calls)


def waiting(_broker: str, calls: int) -> dict[str, float]:
    """What 100,000 waiting events cost in memory and in a full collection."""
    audit = _producer(NOWHERE)
    call = _full(audit)
    for _ in range(20_000):
        call()
    time.sleep(2)
    gc.collect()
    before, began = _memory(), time.perf_counter()
    gc.collect()
    idle = time.perf_counter() - began
    for _ in range(100_000):
        call()
    gc.collect()
    began = time.perf_counter()
    gc.collect()
    return {
        "bytes an event": (_memory() - before) / 100_000,
        "collection ms": (time.perf_counter() - began) * 1000,
        "idle ms": idle * 1000,
    }


def backlog(broker: str, calls: int) -> dict[str, float]:
    """A backlog drains while the service goes on at 1,000 events/s."""
    away = _producer(NOWHERE)
    call = _full(away)
    for _ in range(calls):
        call()
    away.close(0)
    audit = _producer(broker, spool_dir=str(away._settings.spool_folder()))
    call, took = _full(audit), []
    began = time.perf_counter()
    call()
    # What was left is counted by the thread, in a moment.
    while audit.counters().waiting < min(calls, 1_000):
        time.sleep(0.001)
    while audit.counters().waiting > 1_000:
        for _ in range(20):
            before = time.perf_counter_ns()
            call()
            took.append((time.perf_counter_ns() - before) / 1000)
            time.sleep(0.001)
    seconds = time.perf_counter() - began
    took.sort()
    return {
        "drained/s": calls / seconds,
        "emit median": took[len(took) // 2],
        "emit p99": took[int(len(took) * 0.99)],
        "emit max": took[-1],
    }


def imported(module: str, construct: str = "") -> dict[str, float]:
    code = (
        "import time,resource as r\n"
        "b,m=time.process_time(),r.getrusage(r.RUSAGE_SELF).ru_maxrss\n"
        f"import {module}\n{construct}\n"
        "print((time.process_time()-b)*1000,(r.getrusage(r.RUSAGE_SELF).ru_maxrss-m)/1024)"
    )
    best = min(
        tuple(map(float, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                                        check=True).stdout.split()))
        for _ in range(5)
    )  # fmt: skip
    return {"import ms": best[0], "MB": best[1]}


def peer_opentelemetry(_broker: str, calls: int) -> dict[str, float]:
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter

    class Nothing(InMemoryLogRecordExporter):
        def export(self, batch):
            return super().export(())

    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(Nothing()))
    logger = provider.get_logger("audit")

    def call() -> object:
        return logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                body="org.user.role.updated",
                attributes=_flat(),
            )
        )

    return windows(call, calls)


def peer_segment(_broker: str, calls: int) -> dict[str, float]:
    from segment.analytics import Client

    client = Client("x", send=False, max_queue_size=10_000_000)
    return windows(lambda: client.track("u-1", "org.user.role.updated", _flat()), calls)


def peer_posthog(_broker: str, calls: int) -> dict[str, float]:
    from posthog import Posthog

    client = Posthog("x", host="http://127.0.0.1:1", send=False, max_queue_size=10_000_000)
    return windows(
        lambda: client.capture("org.user.role.updated", distinct_id="u-1", properties=_flat()),
        calls,
    )


def peer_sentry(_broker: str, calls: int) -> dict[str, float]:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nothing(Transport):
        def capture_envelope(self, envelope):
            pass

    sentry_sdk.init(dsn="http://x@127.0.0.1:1/1", transport=Nothing, default_integrations=False)
    return windows(
        lambda: sentry_sdk.capture_event({"message": "org.user.role.updated", "extra": _flat()}),
        calls,
    )


def _flat() -> dict[str, str]:
    return {
        "org_id": "acme", "actor.id": "u-1", "actor.email": "alice@acme.example",
        "actor.name": "Alice Moreau", "target.type": "user", "target.id": "u-2",
        "target.email": "bob@acme.example", "target.name": "Bob", "change.field": "role",
        "change.old": "member", "change.new": "admin", "ip": "80.67.169.12", "user_agent": AGENT,
        "request_id": "req-1", "session_id": "s", "reason": "asked", "ticket": "T-1",
    }  # fmt: skip


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


MEASURES: dict[str, Callable[[str, int], dict[str, float]]] = {
    "emit, smallest": smallest,
    "emit, full": full,
    "emit, full, Kafka unreachable": full_away,
    "emit, full, in memory": full_memory,
    "emit, full, accented names": full_accents,
    "100,000 waiting": waiting,
    "import orgtrail": lambda _b, _c: imported("orgtrail"),
    "import and construct": lambda _b, _c: imported("orgtrail", "orgtrail.AuditProducer()"),
    "OpenTelemetry logs": peer_opentelemetry,
    "Segment": peer_segment,
    "PostHog": peer_posthog,
    "Sentry": peer_sentry,
    "backlog": backlog,
}


if __name__ == "__main__":
    main()
