"""One arena for the folder, the size of the suite, and its tally at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from tests.chaos.arena import Arena, arena_of
from tests.chaos.load import Load
from tests.chaos.oracle import Verdict, stored_copies, wait_all
from tests.support.admin import admin_client
from tests.support.earlier import content

TALLY: Counter[str] = Counter()
"""What was done, and what came of it; printed at the end of the run."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY:
        words = ", ".join(f"{count} {name}" for name, count in TALLY.items())
        terminalreporter.write_line(f"chaos: {words}")


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """How often servers are killed: few in the default tests, many in ``make chaos``."""
    return int(request.config.getoption("--rounds"))


@pytest.fixture(scope="session")
def _arena(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Arena]:
    migrated = bool(request.config.getoption("--migrated"))
    with arena_of(tmp_path_factory.mktemp("arena") / "home", migrated=migrated) as made:
        before = content(admin_client(made.http_port))
        yield made
        assert content(admin_client(made.http_port)) == before


@pytest.fixture
def arena(_arena: Arena) -> Iterator[Arena]:
    """The arena without events of other tests and without a consumer."""
    _arena.clear()
    yield _arena
    _arena.stop_consumers()


@pytest.fixture
def prove(arena: Arena):
    """Check that all of a load is there once, and count it in the tally."""

    def check(load: Load, seconds: float = 60, on: Arena = arena) -> Verdict:
        load.stop()
        verdict = wait_all(load, on.query, seconds)
        TALLY["events"] += len(load.values)
        TALLY["copies in storage that no reader saw"] += stored_copies(on.query)
        TALLY["lost"] += len(verdict.lost)
        TALLY["doubled"] += len(verdict.doubled)
        assert verdict.clean, {
            name: found[:3] for name, found in verdict._asdict().items() if found
        }
        return verdict

    TALLY["lost"] += 0
    TALLY["doubled"] += 0
    return check
