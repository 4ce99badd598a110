"""Fixtures that several folders of tests share."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from orgtrail_deploy.local.folders import make_private
from orgtrail_deploy.local.ports import free_ports
from orgtrail_deploy.local.settings import LocalSettings
from orgtrail_deploy.local.stack import Stack
from tests.support.docker_servers import DockerServers, docker_answers
from tests.support.running import Running

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--rounds`` is the size of the slower suites; the default is a short one."""
    parser.addoption("--rounds", type=int, default=1, help="how often chaos tests kill")
    parser.addoption(
        "--migrated", action="store_true", help="chaos tests on tables of an earlier version"
    )
    parser.addoption(
        "--backwards",
        action="store_true",
        help="run each file's last test first: none needs another",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The SDK's default spool is the user's: tests, and what they start, leave nothing there."""
    # Busy machines are slow: how long an example takes says nothing.
    slow = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile("busy")
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="orgtrail-tests-")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Folders decide: unit and contract tests have no network, the others have the stack's.

    Tests marked ``long`` belong to the suites' own targets, which run more than one round.
    """
    if int(config.getoption("--rounds")) == 1:
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)
    if config.getoption("--backwards"):
        of_file = [list(group) for _, group in itertools.groupby(items, lambda item: item.path)]
        items[:] = [item for group in of_file for item in reversed(group)]
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        if folder in ("unit", "contract"):
            item.add_marker(pytest.mark.disable_socket)
        elif folder in ("integration", "browser", "attack"):
            item.add_marker(getattr(pytest.mark, folder))


@pytest.fixture(scope="session")
def free_settings() -> LocalSettings:
    """A stack's settings on ports that are free."""
    names = list(LocalSettings.__struct_fields__)
    return LocalSettings.load(**dict(zip(names, free_ports(len(names)), strict=True)))


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory, free_settings: LocalSettings
) -> Iterator[Running]:
    """The whole stack on real servers: in containers where Docker answers, else as processes."""
    root = make_private(tmp_path_factory.mktemp("stack") / "home")
    servers = DockerServers(root) if docker_answers() else None
    # Tests ask the same things many times a second; the limit has a test of its own.
    stack = Stack(root, free_settings, servers, {"ORGTRAIL_RATE_LIMIT": "1000000"})
    try:
        stack.start(lambda _text: None, lambda _done, _total: None)
        yield Running(stack)
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def browser():
    """Ends with its file: while it runs, Playwright's event loop is this thread's."""
    # Unit tests start faster without it.
    from playwright.sync_api import sync_playwright

    from tests.support.chromium import launch

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("ORGTRAIL_"):
            monkeypatch.delenv(name)
