"""Programs that ``make deploy-test`` needs and Python's registry lacks, kept in the user's cache.

They are unpacked from Debian packages, or built with Go from modules of pinned versions: some
minutes the first time. Nothing is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jgo.maven import MavenContext

KEYCLOAK = "26.4.5"
_KEYCLOAK_SHA256 = "72f73642a2c36de797d51b4b2b342d4a49f6e5832af10aa470cd123627bd80b3"
KUBERNETES = "1.37.2"
_STAGED = [
    "api",
    "apiextensions-apiserver",
    "apimachinery",
    "apiserver",
    "cli-runtime",
    "client-go",
    "cloud-provider",
    "cluster-bootstrap",
    "code-generator",
    "component-base",
    "component-helpers",
    "controller-manager",
    "cri-api",
    "cri-client",
    "cri-streaming",
    "csi-translation-lib",
    "dynamic-resource-allocation",
    "endpointslice",
    "externaljwt",
    "kms",
    "kube-aggregator",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "metrics",
    "mount-utils",
    "pod-security-admission",
    "sample-apiserver",
    "sample-cli-plugin",
    "sample-controller",
    "streaming",
]


def cache_folder() -> Path:
    """Where they are kept from one run to the next."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "orgtrail" / "tools"


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name, which is made once, and never left half made."""
    folder = cache_folder() / name
    if not folder.exists():
        staged = folder.with_name(f"{name}.new")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        make(staged)
        staged.rename(folder)
    return folder


def _run(*command: str | Path, cwd: Path, **env: str) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"


@cache
def debian(package: str) -> Path:
    """The folder of an unpacked Debian package. A Debian system is needed."""

    def make(folder: Path) -> None:
        _run("apt-get", "download", "-q", package, cwd=folder)
        (archive,) = folder.glob("*.deb")
        _run("dpkg", "-x", archive, folder, cwd=folder)
        archive.unlink()

    return kept(package, make)


@cache
def go(package: str, version: str) -> Path:
    """The program that a Go module has at ``package``."""
    name = package.rpartition("/")[2]

    def make(folder: Path) -> None:
        _run("go", "install", f"{package}@{version}", cwd=folder, GOBIN=str(folder))

    return kept(f"{name}-{version}", make) / name


def prometheus() -> Path:
    return debian("prometheus") / "usr" / "bin" / "prometheus"


def promtool() -> Path:
    return debian("prometheus") / "usr" / "bin" / "promtool"


def helm() -> Path:
    return go("helm.sh/helm/v4/cmd/helm", "v4.3.1")


@cache
def etcd() -> Path:
    def make(folder: Path) -> None:
        _run("go", "mod", "init", "tools", cwd=folder)
        _run("go", "get", "-tool", "go.etcd.io/etcd/server/v3@v3.7.3", cwd=folder)
        _run("go", "build", "-o", "etcd", "go.etcd.io/etcd/server/v3", cwd=folder)

    return kept("etcd-3.7.3", make) / "etcd"


@cache
def kube_apiserver() -> Path:
    """Kubernetes builds as no module of others, so its staged parts are named one by one."""

    def make(folder: Path) -> None:
        staged = f"v0{KUBERNETES[1:]}"
        lines = [
            "module tools",
            "go 1.26.0",
            "tool k8s.io/kubernetes/cmd/kube-apiserver",
            f"require k8s.io/kubernetes v{KUBERNETES}",
            *(f"replace k8s.io/{name} => k8s.io/{name} {staged}" for name in _STAGED),
        ]
        (folder / "go.mod").write_text("\n".join(lines) + "\n")
        _run("go", "mod", "tidy", "-e", cwd=folder)
        major, minor, _ = KUBERNETES.split(".")
        said = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
        flags = [f"-X k8s.io/component-base/version.{name}={text}" for name, text in said.items()]
        _run(
            "go", "build", "-p", "1", f"-ldflags=-s -w {' '.join(flags)}", "-o", "kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-apiserver", cwd=folder,
        )  # fmt: skip

    return kept(f"kube-apiserver-{KUBERNETES}", make) / "kube-apiserver"


@cache
def custom_resources(module: str, version: str, package: str) -> list[Path]:
    """The custom resource definitions of an operator, made from the types in its Go module."""
    generator = go("sigs.k8s.io/controller-tools/cmd/controller-gen", "v0.23.0")

    def make(folder: Path) -> None:
        _run("go", "mod", "init", "tools", cwd=folder)
        _run("go", "get", f"{module}@{version}", cwd=folder)
        _run("go", "get", f"{package}@{version}", cwd=folder)
        # The generator complains of lines that are missing for other packages of the module, and
        # writes the right files.
        subprocess.run(
            [generator, "crd", f"paths={package}", "output:crd:dir=."],
            cwd=folder, capture_output=True, check=False,
        )  # fmt: skip
        assert list(folder.glob("*.yaml")), "no definition was written"

    folder = kept(f"crd-{package.replace('/', '-')}-{version}", make)
    return sorted(folder.glob("*.yaml"))


@cache
def keycloak() -> Path:
    """The folder of Keycloak's distribution, as the image has it in /opt/keycloak."""

    def make(folder: Path) -> None:
        context = MavenContext(repo_cache=folder / "maven", local_repos=[], timeout=600)
        component = context.project("org.keycloak", "keycloak-quarkus-dist").at_version(KEYCLOAK)
        archive = Path(component.artifact(packaging="zip").resolve())
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        assert found == _KEYCLOAK_SHA256, found
        _run("unzip", "-q", archive, cwd=folder)
        shutil.rmtree(folder / "maven")

    return kept(f"keycloak-{KEYCLOAK}", make) / f"keycloak-{KEYCLOAK}"


@cache
def linter(name: str) -> Path:
    """A program of the environment of ``tests/deploy/linters.lock``, or its ``python``.

    Programs in Python name another folder in their first line: run them with ``python -m``.
    """
    lock = Path(__file__).parents[1] / "deploy" / "linters.lock"

    def make(folder: Path) -> None:
        uv = Path(sys.executable).with_name("uv")
        _run(uv, "venv", "-q", "-p", sys.executable, folder / "venv", cwd=folder)
        python = folder / "venv" / "bin" / "python"
        _run(uv, "pip", "sync", "-q", "--require-hashes", "-p", python, lock, cwd=folder)

    state = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return kept(f"linters-{state}", make) / "venv" / "bin" / name
