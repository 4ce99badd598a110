"""``make bench-reads``: what a page, a summary and an export cost, beside the bare statements.

Rows read are what ClickHouse counted for all statements of a request. Prints tables, and each target
with pass or FAIL; the last line is one JSON object. Exits 1 when rows read are over their targets,
which no noise excuses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from statistics import quantiles
from typing import Any, NamedTuple
from urllib.parse import urlencode

import clickhouse_connect
import httpx
import psutil
from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.table import Table
from tests.benchmarks.lab import Lab, lab
from tests.support.rows import LARGEST, ORDINARY, RARE, fill, merged_at_the_end
from tests.support.service import OwnService, service_over

from orgtrail_deploy.local.issuer import make_token
from orgtrail_deploy.local.ports import LOOPBACK
from orgtrail_query_service.reads import statements
from orgtrail_query_service.reads.export_formats import DEFAULT
from orgtrail_query_service.reads.feed import begin, parse_feed, read_feed
from orgtrail_query_service.reads.pages import Watermark, read_page, read_settled
from orgtrail_query_service.reads.people import read_people
from orgtrail_query_service.reads.search import Place, Search, parse_search
from orgtrail_query_service.reads.statements import Statement, Window
from orgtrail_query_service.reads.summary import read_summary

_ROUNDS = 100
_WARMING = 5
"""Rounds that are not counted: both sides connect, and the first view is recorded."""
SUMMARY_MS = 60
EXPORT_RATIO = 0.9
_BYTES_A_ROW = 150
"""On disk, while merges hold both old and new parts: about twice what is kept."""


class Case(NamedTuple):
    """A page with filters; how many rows it may read at 10 M, and how many milliseconds it may take.

    ``None``: only published.
    """

    name: str
    parameters: dict[str, str]
    target: int | None
    target_ms: int | None = None


CASES = [
    Case("newest page", {}, 20_000, 15),
    Case("event", {"event": "org.user.role.updated"}, 20_000, 50),
    Case("level", {"level": "user"}, 20_000, 50),
    Case("ordinary actor", {"actor": ORDINARY}, 20_000, 50),
    Case("rare actor", {"actor": RARE}, 20_000, 50),
    Case("target", {"target": ORDINARY}, 20_000, 50),
    Case("user", {"user": ORDINARY}, 40_000, 50),
    Case("IP address", {"ip": "198.51.0.7"}, 20_000, 50),
    Case("absent actor", {"actor": "nobody@nowhere.example"}, 5_000, 25),
    Case("absent event", {"event": "shop.order.paid"}, 5_000, 25),
    Case("absent IP address", {"ip": "192.0.2.1"}, 5_000, 25),
    Case("absent user", {"user": "nobody@nowhere.example"}, 5_000, 25),
    Case("actor and event", {"actor": ORDINARY, "event": "org.user.role.updated"}, 150_000, 80),
    Case("actor and level", {"actor": ORDINARY, "level": "organization"}, 150_000, 80),
    Case("actor and outcome", {"actor": ORDINARY, "outcome": "failure"}, 150_000, 80),
    Case("actor and a country not theirs", {"actor": ORDINARY, "country": "DE"}, 150_000, 80),
    Case("actor and target", {"actor": ORDINARY, "target": ORDINARY}, 150_000, 80),
    Case("target and event", {"target": ORDINARY, "event": "org.user.role.updated"}, 150_000, 80),
    Case("user and event", {"user": ORDINARY, "event": "org.user.role.updated"}, 150_000, 80),
    Case("IP address and event", {"ip": "198.51.0.100", "event": "user.login"}, 150_000, 80),
    Case("IP address and outcome", {"ip": "198.51.0.100", "outcome": "failure"}, 150_000, 80),
    Case(
        "event and outcome", {"event": "org.user.role.updated", "outcome": "failure"}, 150_000, 80
    ),
    Case("event and country", {"event": "org.user.role.updated", "country": "JP"}, 150_000, 80),
    Case("country and outcome", {"country": "JP", "outcome": "failure"}, 150_000, 80),
    Case("outcome failure", {"outcome": "failure"}, 40_000, 50),
    Case("country", {"country": "JP"}, 40_000, 50),
    Case("text", {"q": "person100@"}, None),
    Case("absent text", {"q": "nowhere.example"}, None),
]


class Counting:
    """Reads as the query service does, with its profile, and keeps what ClickHouse counted."""

    def __init__(self, client: Client) -> None:
        access = tomllib.loads(files("orgtrail_schemas").joinpath("access.toml").read_text("utf-8"))
        profile = access["profiles"]["audit_reader"]
        # The summary of a statement is whole only when it is sent after the last row.
        self._settings = {k: v for k, v in profile.items() if k != "readonly"} | {
            "wait_end_of_query": 1
        }
        self._client = client
        self.org = LARGEST
        self.read = 0
        self.statements: list[Statement] = []

    async def rows(self, statement: Statement) -> Sequence[Sequence[Any]]:
        result = self._client.query(statement.sql, statement.parameters, settings=self._settings)
        self.read += int(result.summary["read_rows"])
        self.statements.append(statement)
        found: Sequence[Sequence[Any]] = result.result_rows
        return found

    async def settled_through(self) -> datetime | None:
        """Asked each time. The service asks once a second."""
        return await Watermark().read(self.rows)


def searched(parameters: dict[str, str], now: datetime) -> Search:
    return parse_search(parameters.items(), now)


def rows_read(client: Client, search: Search, after: Place | None = None) -> Counting:
    """One page, as the list route asks for it."""
    db = Counting(client)

    async def ask() -> None:
        await read_settled(db, search)
        await read_page(db, search, after)

    asyncio.run(ask())
    return db


class FeedCase(NamedTuple):
    """So many events of the feed, from so long ago on, with filters."""

    name: str
    limit: int
    ago: timedelta
    parameters: dict[str, str]
    target: int


FEEDS = [
    FeedCase("feed, the last minute", 1000, timedelta(minutes=1), {}, 40_000),
    FeedCase("feed, 1,000 from 30 days ago", 1000, timedelta(days=30), {}, 40_000),
    FeedCase("feed, 1,000 from its beginning", 1000, timedelta(days=90), {}, 40_000),
    FeedCase("feed of an event, 50 from 30 days ago", 50, timedelta(days=30),
             {"event": "org.user.role.updated"}, 40_000),
    FeedCase("feed of an event, 1,000", 1000, timedelta(days=30),
             {"event": "org.user.role.updated"}, 400_000),
]  # fmt: skip


def feed_read(client: Client, case: FeedCase, now: datetime) -> Counting:
    """One page of the feed, as the list route asks for it."""
    db = Counting(client)
    search, _ = parse_feed([*case.parameters.items(), ("limit", str(case.limit))], now)

    async def ask() -> None:
        await read_settled(db, search)
        await read_feed(db, search, begin(now - case.ago), now)

    asyncio.run(ask())
    return db


def place_at(client: Client, search: Search, number: int) -> Place:
    """Where a page of that number begins."""
    window = Window(search.since, search.until)
    statement = statements.page(LARGEST, search, window, None, 1)
    sql = statement.sql.replace(statement.sql.split(" FROM ")[0], "SELECT occurred_at, event_id", 1)
    found = client.query(f"{sql} OFFSET {50 * (number - 1) - 1}", statement.parameters)
    at, event_id = found.result_rows[0]
    return Place(at.replace(tzinfo=UTC), event_id)


class Bare:
    """The same statements over one kept connection, their answers not even parsed."""

    def __init__(self, on: Lab, user: str = "audit_reader") -> None:
        self._client = clickhouse_connect.get_client(
            host=LOOPBACK,
            port=on.http_port,
            username=user,
            password=on.passwords[user],
            autogenerate_session_id=False,
            compress=False,
        )

    def ask(self, asked: Sequence[Statement]) -> None:
        for statement in asked:
            self._client.raw_query(statement.sql, statement.parameters, fmt="Native")


def side_by_side(
    bare: Bare, asked: Sequence[Statement], api: httpx.Client, path: str, rounds: int = _ROUNDS
) -> dict[str, float]:
    """Milliseconds of both, taken in turns."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds + _WARMING):
        began = time.perf_counter()
        bare.ask(asked)
        between = time.perf_counter()
        answer = api.get(path)
        ended = time.perf_counter()
        answer.raise_for_status()
        if number >= _WARMING:
            theirs.append((between - began) * 1000)
            ours.append((ended - between) * 1000)
    a, b = quantiles(ours, n=100), quantiles(theirs, n=100)
    found = {"p50": a[49], "bare_p50": b[49], "p99": a[98], "bare_p99": b[98]}
    return {name: round(value, 1) for name, value in found.items()} | {
        "over_p50": round(a[49] - 1.3 * b[49] - 3, 1),
        "over_p99": round(a[98] - 1.3 * b[98] - 3, 1),
    }


def concurrent(
    on: Lab, service: OwnService, token: str, readers: int, seconds: float
) -> dict[str, Any]:
    """What so many readers of newest pages get together, and whose CPU it takes."""
    took: list[float] = []

    async def reader(client: httpx.AsyncClient, until: float) -> None:
        while (began := time.monotonic()) < until:
            (await client.get(f"/v1/orgs/{LARGEST}/events")).raise_for_status()
            took.append((time.monotonic() - began) * 1000)

    async def all_of_them() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        limits = httpx.Limits(max_connections=readers)
        async with httpx.AsyncClient(
            base_url=service.url, headers=headers, limits=limits, timeout=60
        ) as client:
            until = time.monotonic() + seconds
            await asyncio.gather(*(reader(client, until) for _ in range(readers)))

    processes = {
        "clickhouse": psutil.Process(on.clickhouse.child.pid),
        "service": psutil.Process(service.child.pid),
        "asker": psutil.Process(),
    }
    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    asyncio.run(all_of_them())
    cpu = {name: sum(p.cpu_times()[:2]) - before[name] for name, p in processes.items()}
    cuts = quantiles(took, n=100)
    return {
        "readers": readers,
        "pages_a_second": round(len(took) / seconds),
        "p50": round(cuts[49]),
        "p99": round(cuts[98]),
        **{f"{name}_cpu_ms": round(s * 1000 / len(took), 1) for name, s in cpu.items()},
    }


class Sample(NamedTuple):
    """One transfer: bytes that arrived, and seconds."""

    size: int
    seconds: float

    @property
    def speed(self) -> float:
        """MB/s."""
        return self.size / self.seconds / 1e6


def curl(url: str, *more: str) -> Sample:
    done = subprocess.run(
        [
            "curl",
            "-sS",
            "--fail",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download} %{time_total}",
            *more,
            url,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    size, seconds = done.stdout.split()
    return Sample(int(size), float(seconds))


def exports(on: Lab, service: OwnService, token: str, now: datetime) -> dict[str, Any]:
    """The CSV through the service and the same SQL from ClickHouse, both by curl, in turns."""
    search = searched({}, now)
    statement = statements.export(LARGEST, search, DEFAULT)
    query = urlencode({f"param_{k}": v for k, v in statement.parameters.items()})
    direct = f"http://{LOOPBACK}:{on.http_port}/?{query}"
    sql = on.root / "export.sql"
    sql.write_text(statement.sql)
    login = f"audit_export:{on.passwords['audit_export']}"
    ours = f"{service.url}/v1/orgs/{LARGEST}/events/export.csv"
    process = psutil.Process(service.child.pid)
    before, peak = process.memory_info().rss, 0
    found: dict[str, Any] = {}
    for name, encoding in (("plain", "identity"), ("gzip", "gzip")):
        header = ("-H", f"Accept-Encoding: {encoding}")
        samples: dict[str, list[Sample]] = {"ours": [], "bare": []}
        for _ in range(3):
            samples["bare"].append(curl(direct, "-u", login, "--data-binary", f"@{sql}", *header))
            samples["ours"].append(curl(ours, "-H", f"Authorization: Bearer {token}", *header))
            peak = max(peak, process.memory_info().rss)
        fastest = {who: max(s.speed for s in all_) for who, all_ in samples.items()}
        found[name] = {
            "mb": round(samples["ours"][0].size / 1e6, 1),
            "ours_mb_s": round(fastest["ours"], 1),
            "bare_mb_s": round(fastest["bare"], 1),
            "ratio": round(fastest["ours"] / fastest["bare"], 2),
        }
    return found | {"memory_growth_mb": round((peak - before) / 1e6, 1)}


def run(count: int, console: Console) -> dict[str, Any]:
    now = datetime.now(UTC)
    with lab() as on, on.admin() as client:
        began = time.monotonic()
        with merged_at_the_end(client):
            fill(
                client,
                count,
                now,
                told=lambda done: console.print(f"{done:,} of {count:,} rows stored"),
            )
        console.print(f"Stored and merged in {time.monotonic() - began:.0f} s")
        sizes = client.query(
            "SELECT sum(rows), sum(bytes_on_disk), count() FROM system.parts"
            " WHERE active AND table = 'events_store'"
        ).result_rows[0]
        largest = client.query(
            "SELECT count() FROM audit.events_store WHERE org_id = {org:String}", {"org": LARGEST}
        ).result_rows[0][0]
        pages = []
        for case in CASES:
            db = rows_read(client, searched(case.parameters, now))
            pages.append(
                {
                    "case": case.name,
                    "rows": db.read,
                    "target": case.target,
                    "statements": len(db.statements),
                }
            )
            console.print(f"{case.name}: {db.read:,} rows")
        for feed in FEEDS:
            db = feed_read(client, feed, now)
            pages.append(
                {
                    "case": feed.name,
                    "rows": db.read,
                    "target": feed.target,
                    "statements": len(db.statements),
                }
            )
            console.print(f"{feed.name}: {db.read:,} rows")
        newest = searched({}, now)
        # Few rows, as in a trial of this file, have no page 1000.
        numbers = {"2": 2, "1000": min(1000, largest // 50)}
        deep = {
            name: rows_read(client, newest, place_at(client, newest, number)).read
            for name, number in numbers.items()
        }
        with service_over(on, on.root) as service:
            token = make_token(on.root, [LARGEST], now, lasts=timedelta(hours=2))
            latency = latencies(on, client, service, token, now)
            return {
                "rows": sizes[0],
                "bytes_a_row": round(sizes[1] / sizes[0]),
                "parts": sizes[2],
                "largest_organization": largest,
                "pages": pages,
                "deep": deep,
                "latency": latency,
                "concurrent": [concurrent(on, service, token, n, 10) for n in (50, 100)],
                "export": exports(on, service, token, now),
            }


def latencies(
    on: Lab, client: Client, service: OwnService, token: str, now: datetime
) -> dict[str, Any]:
    """The API beside the bare statements: pages, the summary of 90 days, completion."""
    bare = Bare(on)
    found: dict[str, Any] = {}
    api = httpx.Client(
        base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    base = f"/v1/orgs/{LARGEST}"
    with api:
        for case in CASES:
            asked = rows_read(client, searched(case.parameters, now)).statements
            path = f"{base}/events?{urlencode(case.parameters)}"
            rounds = _ROUNDS if case.target_ms else 20
            found[case.name] = side_by_side(bare, asked, api, path, rounds)
        db = Counting(client)

        async def summary() -> None:
            search = searched({}, now)
            await read_summary(db, search, await read_settled(db, search))

        asyncio.run(summary())
        rows = db.read
        found["summary"] = side_by_side(bare, db.statements, api, f"{base}/summary", 20) | {
            "rows": rows
        }
        db = Counting(client)
        asyncio.run(read_people(db, [("prefix", "person1")], now))
        rows = db.read
        path = f"{base}/people?prefix=person1"
        found["people"] = side_by_side(bare, db.statements, api, path) | {"rows": rows}
    return found


def show(console: Console, found: dict[str, Any]) -> None:
    table = Table("page of 50, largest organization", "rows read", "target", "statements")
    for page in found["pages"]:
        target = "" if page["target"] is None else f"{page['target']:,}"
        table.add_row(page["case"], f"{page['rows']:,}", target, str(page["statements"]))
    console.print(table)
    console.print(f"page 2 reads {found['deep']['2']:,} rows, page 1000 {found['deep']['1000']:,}")
    table = Table("ms", "p50", "bare", "over 1.3 x + 3", "p99", "bare", "over 1.3 x + 3", "rows")
    for name, r in found["latency"].items():
        table.add_row(
            name, *(str(r[k]) for k in ("p50", "bare_p50", "over_p50", "p99", "bare_p99", "over_p99")),
            f"{r['rows']:,}" if "rows" in r else "",
        )  # fmt: skip
    console.print(table)
    for many in found["concurrent"]:
        console.print(
            f"{many['readers']} readers: {many['pages_a_second']} pages/s, p50 {many['p50']} ms, p99"
            f" {many['p99']} ms; CPU ms a page: ClickHouse {many['clickhouse_cpu_ms']}, service"
            f" {many['service_cpu_ms']}, asker {many['asker_cpu_ms']}"
        )
    table = Table("export", "MB", "ours MB/s", "curl of ClickHouse MB/s", "ratio")
    for name in ("plain", "gzip"):
        r = found["export"][name]
        table.add_row(name, *(str(r[k]) for k in ("mb", "ours_mb_s", "bare_mb_s", "ratio")))
    console.print(table)
    console.print(f"memory grew by {found['export']['memory_growth_mb']} MB while exporting")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    console = Console(soft_wrap=True)
    free, wanted = shutil.disk_usage("/tmp").free, 2 * _BYTES_A_ROW * arguments.rows
    if free < wanted:
        print(
            f"skipped: {arguments.rows:,} rows want {wanted >> 30} GiB, {free >> 30} GiB are free"
        )
        return 0
    found = run(arguments.rows, console)
    show(console, found)
    # At 100 M rows each may read twice as many, and take half as long again.
    many = arguments.rows > 10_000_000
    found["targets"] = [
        check._asdict() for check in checks(found, 2 if many else 1, 1.5 if many else 1)
    ]
    table = Table("target", "measured", "wanted", "")
    for check in found["targets"]:
        verdict = "pass" if check["met"] else "FAIL"
        table.add_row(check["name"], f"{check['measured']:,}", f"{check['target']:,}", verdict)
    console.print(table)
    print(json.dumps(found))
    return 0 if all(c["met"] for c in found["targets"] if c["name"].startswith("rows")) else 1


class Check(NamedTuple):
    """A target, and whether it is met."""

    name: str
    measured: float
    target: float
    met: bool


def checks(found: dict[str, Any], rows: float, time_: float) -> Iterator[Check]:
    """Every target; those of 10 M rows times ``rows`` and ``time_``."""
    for page in found["pages"]:
        if page["target"]:
            target = page["target"] * rows
            yield Check(f"rows: {page['case']}", page["rows"], target, page["rows"] <= target)
    for case in CASES:
        if case.target_ms:
            of = found["latency"][case.name]
            target = case.target_ms * time_
            yield Check(f"p50 in ms: {case.name}", of["p50"], target, of["p50"] <= target)
            twice = round(2 * of["p50"], 1)
            yield Check(f"p99 in ms: {case.name}", of["p99"], twice, of["p99"] <= twice)
    counted = found["latency"]["summary"]["p50"]
    if rows == 1:
        yield Check("p50 in ms: summary of 90 days", counted, SUMMARY_MS, counted <= SUMMARY_MS)
    for name in ("plain", "gzip"):
        ratio = found["export"][name]["ratio"]
        yield Check(f"export, {name}, times curl", ratio, EXPORT_RATIO, ratio >= EXPORT_RATIO)


if __name__ == "__main__":
    sys.exit(main())
