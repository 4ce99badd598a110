"""The Helm chart on a real API server: installed, upgraded, rolled back, and refused."""

import copy
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.support.kubernetes import ApiServer
from tests.support.strimzi import strimzi_kinds
from tests.support.tools import custom_resources, helm

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "chart"
EXAMPLES = CHART / "examples"
NAMESPACE = "audit"

LEAST = {
    "kafka": {"brokers": "kafka.example:9093"},
    "clickhouse": {"host": "clickhouse.example"},
    "query": {"publicUrl": "https://audit.example.com", "jwtIssuer": "https://id.example.com"},
}
EVERYTHING = {
    "kafka": {"brokers": "a.example:9093,b.example:9093", "caSecret": "kafka-ca"},
    "clickhouse": {
        "host": "clickhouse.example", "caSecret": "ca", "cluster": "audit",
        "shards": ["shard-1.example:8443", "shard-2.example:8443"],
    },
    "migrate": {"topics": {"create": False}},
    "consumer": {
        "settings": {"ORGTRAIL_BATCH_RECORDS": 10000},
        "volume": {"storageClass": "fast"},
        "autoscaling": {"enabled": True, "authentication": "kafka"},
    },
    "query": {
        "publicUrl": "https://audit.example.com", "jwtIssuer": "https://id.example.com",
        "oidcClientId": "audit", "oidcClientHasSecret": True, "trustedProxies": "10.0.0.0/8",
        "ingress": {
            "enabled": True, "className": "nginx", "host": "audit.example.com", "tlsSecret": "tls",
        },
    },
    "monitoring": {"podMonitor": True, "rules": True, "labels": {"release": "prometheus"}},
    "strimzi": {"topics": True, "users": True, "cluster": "kafka"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "audit", "operator": "Exists"}],
    "podAnnotations": {"example.com/team": "audit"},
    "imagePullSecrets": [{"name": "registry"}],
}  # fmt: skip
MUTUAL_TLS = copy.deepcopy(LEAST)
MUTUAL_TLS["kafka"] |= {"securityProtocol": "SSL", "saslMechanism": ""}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = ApiServer(tmp_path_factory.mktemp("kubernetes") / "server")
    try:
        operator = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring"
        keda = "github.com/kedacore/keda/v2"
        made.add_kinds(
            [
                *custom_resources(operator, "v0.95.2", f"{operator}/v1"),
                *custom_resources(keda, "v2.21.0", f"{keda}/apis/keda/v1alpha1"),
                *strimzi_kinds(),
            ]
        )
        labels = {"pod-security.kubernetes.io/warn": "restricted"}
        for name in (NAMESPACE, "kafka"):
            metadata = {"name": name, "labels": labels}
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            made.apply(namespace).raise_for_status()
        yield made
    finally:
        made.stop()


@pytest.fixture
def run(server, tmp_path):
    """Runs Helm in the namespace with some values."""

    def run(command, *arguments, values=None):
        file = tmp_path / "values.json"
        file.write_text(json.dumps(values))
        given = [] if values is None else ["--values", file]
        return subprocess.run(
            [helm(), command, *arguments, *given, "--namespace", NAMESPACE],
            env=os.environ | {"KUBECONFIG": str(server.kubeconfig), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def rendered(run, values):
    done = run("template", "orgtrail", CHART, values=values)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


VALUES = {
    "the least": LEAST,
    "everything": EVERYTHING,
    "client certificates": MUTUAL_TLS,
    "the example": yaml.safe_load((EXAMPLES / "values.yaml").read_text()),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_server_takes_every_object_without_a_warning(server, run, name):
    """Also those of hooks, which no controller runs here."""
    objects = rendered(run, VALUES[name])
    assert {o["kind"] for o in objects} >= {"StatefulSet", "Service", "Job", "CronJob"}
    for object_ in objects:
        object_["metadata"].setdefault("namespace", NAMESPACE)
        answer = server.apply(object_, dry_run=True)
        assert answer.status_code in (200, 201), (object_["kind"], answer.text)
        assert "warning" not in answer.headers, (object_["kind"], answer.headers["warning"])


def test_pod_security_would_warn(server, run):
    """The test before would see it: without its security context a pod is named."""
    (consumer,) = [
        o for o in rendered(run, LEAST)
        if o["kind"] == "StatefulSet" and o["metadata"]["name"].endswith("consumer")
    ]  # fmt: skip
    consumer["metadata"]["namespace"] = NAMESPACE
    del consumer["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    assert "violate PodSecurity" in server.apply(consumer, dry_run=True).headers["warning"]


def test_it_is_installed_upgraded_and_rolled_back(server, run):
    everything = copy.deepcopy(EVERYTHING)
    # Kubernetes lets nobody change the volumes of a StatefulSet (docs/kubernetes.md).
    del everything["consumer"]["volume"]
    # Hooks need a node that runs them.
    for command in (
        ("install", LEAST), ("upgrade", everything), ("upgrade", LEAST),
    ):  # fmt: skip
        done = run(command[0], "orgtrail", CHART, "--no-hooks", values=command[1])
        assert done.returncode == 0, done.stderr
        assert "violate" not in done.stderr
    done = run("rollback", "orgtrail", "2", "--no-hooks")
    assert done.returncode == 0, done.stderr
    history = json.loads(run("history", "orgtrail", "--output=json").stdout)
    assert [entry["status"] for entry in history][-1] == "deployed"
    topics = server.client.get(f"/apis/kafka.strimzi.io/v1/namespaces/{NAMESPACE}/kafkatopics")
    assert len(topics.json()["items"]) == 2
    assert run("uninstall", "orgtrail", "--no-hooks").returncode == 0
    # The topics stay: they may hold events that are not stored yet.
    topics = server.client.get(f"/apis/kafka.strimzi.io/v1/namespaces/{NAMESPACE}/kafkatopics")
    assert len(topics.json()["items"]) == 2


@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        ("kafka.brokers", "", "brokers"),
        ("kafka.brokers", "http://kafka", "brokers"),
        ("kafka.securityProtocol", "TLS", "securityProtocol"),
        ("clickhouse.host", "", "host"),
        ("clickhouse.port", 0, "port"),
        ("clickhouse.shards", ["shard-1"], "shards"),
        ("query.publicUrl", "audit.example.com", "publicUrl"),
        ("query.jwtIssuer", "", "jwtIssuer"),
        ("consumer.replica", 2, "replica"),
        ("consumer.replicas", 0, "replicas"),
        ("migrate.topics.retentionDays", 1, "retentionDays"),
        ("consumer.settings.ORGTRAIL_CLICKHOUSE_WRITER_PASSWORD", "p", "WRITER_PASSWORD"),
        ("query.settings.PATH", "x", "PATH"),
        ("strimzi.authentication", "none", "authentication"),
    ],
)
def test_a_bad_value_is_refused_by_name(run, where, value, told):
    values = copy.deepcopy(EVERYTHING)
    inner = values
    *path, last = where.split(".")
    for name in path:
        inner = inner.setdefault(name, {})
    inner[last] = value
    done = run("template", "orgtrail", CHART, values=values)
    assert done.returncode != 0
    assert told in done.stderr


def test_what_reads_and_writes_events_knows_the_shards(run):
    found = {}
    for document in rendered(run, EVERYTHING):
        if document["kind"] in ("Deployment", "StatefulSet"):
            (container,) = document["spec"]["template"]["spec"]["containers"]
            env = {e["name"]: e.get("value") for e in container["env"]}
            found[document["metadata"]["name"]] = env.get("ORGTRAIL_CLICKHOUSE_SHARDS")
    both = "shard-1.example:8443,shard-2.example:8443"
    assert {name: both for name in found if "consumer" in name or "query" in name}.items() <= (
        found.items()
    )
    assert len([name for name in found if "consumer" in name or "query" in name]) == 2


def test_no_pod_gets_more_than_it_needs(run):
    for object_ in rendered(run, EVERYTHING):
        template = object_["spec"].get("jobTemplate", object_).get("spec", {}).get("template")
        if object_["kind"] not in ("StatefulSet", "Job", "CronJob"):
            continue
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"]
        for variable in container["env"]:
            secret = variable["name"].endswith(("PASSWORD", "SECRET"))
            assert not secret, "a secret is a file, never a variable"


def test_the_example_of_kafka_is_taken(server):
    for object_ in yaml.safe_load_all((EXAMPLES / "strimzi.yaml").read_text()):
        answer = server.apply(object_, dry_run=True)
        assert answer.status_code in (200, 201), (object_["kind"], answer.text)
