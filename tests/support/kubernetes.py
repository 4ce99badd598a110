"""A real Kubernetes API server with etcd, without nodes: it validates and keeps objects."""

from __future__ import annotations

import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support import tools

from orgtrail_deploy.local.ports import LOOPBACK, free_ports

_TOKEN = "admin-token"


class ApiServer:
    """Always call ``stop``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        client_port, peer_port, port = free_ports(3)
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / "sa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (folder / "sa.pub").write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        (folder / "tokens.csv").write_text(f'{_TOKEN},admin,admin-uid,"system:masters"\n')
        self._log = (folder / "log").open("w")
        peer, client = f"http://{LOOPBACK}:{peer_port}", f"http://{LOOPBACK}:{client_port}"
        self._children = [
            self._run(
                tools.etcd(), f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync", "--log-level=warn",
            ),
            self._run(
                tools.kube_apiserver(), f"--etcd-servers={client}", f"--cert-dir={folder}/certs",
                f"--secure-port={port}", f"--bind-address={LOOPBACK}",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={folder / 'sa.pub'}",
                f"--service-account-signing-key-file={folder / 'sa.key'}",
                f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC",
                "--allow-privileged=true", "--disable-admission-plugins=ServiceAccount",
            ),
        ]  # fmt: skip
        self.client = httpx.Client(
            base_url=f"https://{LOOPBACK}:{port}",
            headers={"Authorization": f"Bearer {_TOKEN}"},
            verify=False,
            timeout=60,
        )
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1", "kind": "Config", "current-context": "c",
                    "clusters": [{"name": "c", "cluster": {
                        "server": f"https://{LOOPBACK}:{port}", "insecure-skip-tls-verify": True,
                    }}],
                    "users": [{"name": "c", "user": {"token": _TOKEN}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
                }
            )
        )  # fmt: skip
        self._wait_ready()

    def stop(self) -> None:
        for child in reversed(self._children):
            child.terminate()
            child.wait()
        self._log.close()

    def apply(self, object_: dict[str, Any], *, dry_run: bool = False) -> httpx.Response:
        """Apply on the server's side. Unknown fields are errors."""
        params = {"fieldManager": "test", "fieldValidation": "Strict", "force": "true"}
        return self.client.patch(
            self._path(object_),
            params=params | ({"dryRun": "All"} if dry_run else {}),
            content=yaml.safe_dump(object_),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def add_kinds(self, files: list[Path]) -> None:
        """Install custom resource definitions, and wait until the server knows them."""
        for file in files:
            definition = yaml.safe_load(file.read_text())
            self.apply(definition).raise_for_status()
            spec = definition["spec"]
            kept = next(v["name"] for v in spec["versions"] if v["served"])
            path = f"/apis/{spec['group']}/{kept}/{spec['names']['plural']}"
            self._wait(lambda path=path: self.client.get(path).status_code == 200)
        self._resources.cache_clear()

    def _path(self, object_: dict[str, Any]) -> str:
        version, metadata = object_["apiVersion"], object_["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural, namespaced = self._resources(root)[object_["kind"]]
        where = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{root}{where}/{plural}/{metadata['name']}"

    @cache  # noqa: B019 - one server lives for a whole session
    def _resources(self, root: str) -> dict[str, tuple[str, bool]]:
        answer = self.client.get(root)
        answer.raise_for_status()
        return {
            r["kind"]: (r["name"], r["namespaced"])
            for r in answer.json()["resources"]
            if "/" not in r["name"]
        }

    def _run(self, *command: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def _wait_ready(self) -> None:
        def ready() -> bool:
            try:
                return self.client.get("/readyz").text == "ok"
            except httpx.TransportError:
                return False

        self._wait(ready)

    def _wait(self, ready: Any, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, self._log.name
            assert all(child.poll() is None for child in self._children), self._log.name
            time.sleep(0.2)
