"""Two shards: each organization on one, analysts over both, and one of them may be away."""

import re
from datetime import UTC, datetime

import httpx
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from tests.support.cluster import NAME, Cluster
from tests.support.running import eventually, without_readings
from tests.support.service import service_over

from orgtrail import Actor
from orgtrail_deploy.check.findings import Verdict
from orgtrail_deploy.check.in_clickhouse import shard_findings
from orgtrail_deploy.local.issuer import make_token
from orgtrail_schemas.shards import shard_of

ORGS = ("shards-a", "shards-b", "shards-d", "shards-e")
FIRST, OTHER, SECOND, _ = ORGS
"""Two on the first shard, two on the second."""
HELD = ("held-d", "held-a")
"""Whose events wait while the second shard is away: one of each shard."""
EACH = 25
ANALYSTS = f"""
[analysts]
ana = ["{FIRST}", "{SECOND}"]
nobody_yet = ["nothing-stored"]
all_of_them = "all"
"""
COUNTED = (
    "SELECT org_id, count() FROM audit.{} WHERE startsWith(org_id, '{}')"
    " AND event = 'user.login' GROUP BY org_id ORDER BY org_id"
)
EVERYWHERE = COUNTED.format("events_everywhere", "shards-")
HERE = COUNTED.format("events", "shards-")
HELD_HERE = COUNTED.format("events", "held-")


def emit(running, *orgs, count=EACH):
    with running.producer() as audit:
        for number in range(count):
            for org in orgs:
                audit.emit("user.login", org_id=org, actor=Actor(id=f"u-{number}"))


@pytest.fixture(scope="module")
def cluster(running, tmp_path_factory):
    assert [shard_of(org, 2) for org in (*ORGS, *HELD)] == [0, 0, 1, 1, 0, 1]
    stack = running.stack
    made = Cluster(tmp_path_factory.mktemp("cluster"), stack.root, stack.brokers, ANALYSTS)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def worker(cluster, running, tmp_path_factory):
    emit(running, *ORGS)
    with cluster.worker(tmp_path_factory.mktemp("consumer")) as address:
        eventually(lambda: sum(len(part) for part in cluster.ask("all_of_them", HERE)) == 4, 60)
        eventually(lambda: stored(cluster) == dict.fromkeys(ORGS, EACH), 60)
        yield address


@pytest.fixture(scope="module")
def service(cluster, worker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    with service_over(
        cluster, folder, clickhouse_shards=cluster.settings["CLICKHOUSE_SHARDS"]
    ) as s:
        yield s


def stored(cluster, counted=HERE):
    return {org: count for part in cluster.ask("all_of_them", counted) for org, count in part}


def failures(worker):
    """Each shard's, as the alert OrgtrailClickHouseFails asks for them."""
    metric = re.compile(r'^orgtrail_consumer_shard_failures_total{shard="\d"} (.+)$', re.MULTILINE)
    return [float(count) for count in metric.findall(httpx.get(f"{worker}/metrics").text)]


def read(cluster, service, org, path="events?limit=1000"):
    token = make_token(cluster.root, [org], datetime.now(UTC))
    return service.get(f"/v1/orgs/{org}/{path}", token)


def logins(answer):
    assert answer.status_code == 200, answer.text
    return without_readings(answer.json()["events"])


def test_each_organization_is_on_its_shard_with_its_people(cluster, worker):
    assert cluster.ask("all_of_them", HERE) == [
        [(org, EACH) for org in ORGS if shard_of(org, 2) == shard] for shard in range(2)
    ]
    people = (
        "SELECT DISTINCT org_id FROM audit.people WHERE startsWith(org_id, 'shards-') ORDER BY 1"
    )
    expected = [[(org,) for org in ORGS if shard_of(org, 2) == shard] for shard in range(2)]
    # They are stored after the events.
    eventually(lambda: cluster.ask("audit_reader", people) == expected)


def test_clickhouse_knows_the_same_rule(cluster):
    """So that a query over all shards that names an organization could ask one shard only."""
    ids = [*ORGS, "acme", "", "é", "a:b", "x" * 200]
    given = ", ".join(f"'{org}'" for org in ids)
    ((numbers,),) = (
        cluster.shards[0]
        .admin.query(f"SELECT arrayMap(org_id -> CRC32(org_id) % 7, [{given}])")
        .result_rows
    )
    assert list(numbers) == [shard_of(org, 7) for org in ids]


@pytest.mark.parametrize("org", ORGS)
def test_administrators_read_each_organization_wherever_it_is(cluster, service, org):
    answer = read(cluster, service, org)
    assert len(logins(answer)) == EACH
    assert answer.json()["settled_through"]
    exported = read(cluster, service, org, "events/export?event=user.login")
    assert exported.text.count('"user.login"') == EACH
    summary = read(cluster, service, org, "summary")
    assert summary.status_code == 200, summary.text


def test_an_analyst_reads_what_was_granted_of_all_shards(cluster, worker):
    """The policies are those of the user who asked, on the other server too."""
    whole = [(org, EACH) for org in ORGS]
    for user, found in (
        ("ana", [(FIRST, EACH), (SECOND, EACH)]),
        ("nobody_yet", []),
        ("all_of_them", whole),
    ):
        assert cluster.ask(user, EVERYWHERE) == [found, found], user
    by_name = EVERYWHERE.replace("WHERE", f"WHERE org_id IN ('{OTHER}', '{SECOND}') AND")
    assert cluster.ask("ana", by_name) == [[(SECOND, EACH)]] * 2


def test_a_user_whom_nobody_gave_a_policy_reads_nothing_of_any_shard(cluster, worker):
    for shard in cluster.shards:
        shard.admin.command("CREATE USER OR REPLACE stranger IDENTIFIED BY 'stranger'")
        shard.admin.command("GRANT SELECT ON audit.* TO stranger")
        shard.admin.command("REVOKE SELECT ON audit.events_store FROM stranger")
    try:
        assert cluster.ask("stranger", EVERYWHERE) == [[], []]
    finally:
        for shard in cluster.shards:
            shard.admin.command("DROP USER stranger")


def test_an_analyst_has_the_same_limits_on_every_shard(cluster, worker):
    limits = ("readonly", "use_skip_indexes", "use_query_condition_cache", "max_execution_time")
    asked = ", ".join(f"getSetting('{name}')" for name in limits)
    for answer in cluster.ask("ana", f"SELECT DISTINCT {asked} FROM audit.events_everywhere"):
        assert answer == [(1, False, False, 300)]


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count() FROM cluster('{NAME}', audit.events_store)",
        f"SELECT count() FROM cluster('{NAME}', audit.events)",
        f"SELECT count() FROM clusterAllReplicas('{NAME}', audit.people)",
        "SELECT count() FROM remote('127.0.0.1', audit.events_store)",
        "INSERT INTO audit.events_everywhere (org_id) VALUES ('x')",
        "SELECT count() FROM audit.events_store",
    ],
)
def test_an_analyst_reaches_no_shard_in_another_way(cluster, worker, sql):
    with pytest.raises(ClickHouseError, match=r"Not enough privileges|READONLY|readonly"):
        cluster.shards[0].ask("ana", sql)


def test_without_a_secret_nothing_is_read_as_somebody_else(cluster, worker):
    """A cluster's servers that share no secret ask each other as one user, who has no policy."""
    first = cluster.shards[0]
    first.admin.command(
        "CREATE TABLE audit.open AS audit.events_everywhere"
        " ENGINE = Distributed('without_secret', 'audit', 'events', CRC32(org_id))"
    )
    first.admin.command("GRANT SELECT ON audit.open TO ana")
    try:
        with pytest.raises(ClickHouseError):
            first.ask("ana", COUNTED.format("open", "shards-"))
    finally:
        first.admin.command("DROP TABLE audit.open")
        first.admin.command("REVOKE SELECT ON audit.open FROM ana")


def test_reads_over_all_shards_are_recorded_once(cluster, running, worker):
    sql = f"SELECT count() + {id(cluster)} FROM audit.events_everywhere"
    cluster.shards[1].ask("ana", sql)
    for shard in cluster.shards:
        shard.admin.command("SYSTEM FLUSH LOGS")
    done = cluster.shards[0].run("record-queries", **cluster.settings)
    assert done.returncode == 0, done.stderr
    by_shard = [
        shard.admin.query(
            "SELECT hex(normalized_query_hash) FROM system.query_log WHERE user = 'ana'"
            f" AND is_initial_query AND type = 'QueryFinish' AND query LIKE '%{id(cluster)}%'"
        ).result_rows
        for shard in cluster.shards
    ]
    ((fingerprint,),) = by_shard[1]
    assert by_shard[0] == []

    eventually(lambda: all(queried(running, org, fingerprint) == 1 for org in (FIRST, SECOND)))
    assert queried(running, OTHER, fingerprint) == 0


def queried(running, org, fingerprint):
    params = {"event": "org.audit-log.queried", "limit": 1000}
    events = running.get(f"/v1/orgs/{org}/events", org=org, **params).json()["events"]
    return sum(event["metadata"]["fingerprint"] == fingerprint for event in events)


def test_the_check_asks_every_shard(cluster, service):
    done = cluster.shards[0].run("check", **cluster.settings, OPERATOR_ORG=SECOND)
    assert done.returncode == 0, done.stdout
    for number, shard in enumerate(cluster.shards):
        assert f"ClickHouse at 127.0.0.1:{shard.node.http_port}\n" in done.stdout
        assert f"none belongs to another; it is number {number + 1} of 2" in done.stdout
    assert done.stdout.count("service users: ") == 2


def test_shards_in_another_order_are_noticed(cluster, worker):
    for number, shard in enumerate(cluster.shards):
        with shard.client("audit_checker") as client:
            (finding,) = shard_findings(client, number, 2)
            assert finding.verdict is Verdict.OK
            (finding,) = shard_findings(client, 1 - number, 2)
        assert finding.verdict is Verdict.FAILED
        assert "belong to another shard: nobody can read their events here" in finding.seen


def test_while_a_shard_is_away_its_organizations_wait_and_nothing_is_lost(
    cluster, running, worker, service
):
    away = cluster.shards[1]
    assert logins(read(cluster, service, SECOND))
    before = failures(worker)
    away.clickhouse.stop()
    try:
        refused = read(cluster, service, SECOND)
        assert (refused.status_code, refused.headers["content-type"]) == (
            503,
            "application/problem+json",
        )
        assert len(logins(read(cluster, service, FIRST))) == EACH
        assert service.get("/readyz", "nobody").status_code == 200
        with pytest.raises(ClickHouseError):
            cluster.shards[0].ask("ana", EVERYWHERE)
        emitted = datetime.now(UTC)
        emit(running, *HELD)
        eventually(lambda: failures(worker)[1] > before[1])
        assert failures(worker)[0] == before[0]
        # What the other shard has not stored holds up the time for all.
        settled = read(cluster, service, FIRST).json()["settled_through"]
        assert datetime.fromisoformat(settled) < emitted
    finally:
        away.clickhouse.restart()
        away.clickhouse.wait_ready()
        # Users that SQL made are gone on this kind of server.
        cluster.install(away)
    eventually(lambda: stored(cluster, HELD_HERE) == dict.fromkeys(HELD, EACH), 60)

    def settled_again():
        through = read(cluster, service, FIRST).json()["settled_through"]
        return datetime.fromisoformat(through) > emitted

    eventually(settled_again, 60)
    assert len(logins(read(cluster, service, SECOND))) == EACH
