"""compose.yaml as the specification's own library reads it."""

import subprocess
from pathlib import Path

from tests.support.tools import go

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def test_its_structure_is_taken():
    done = subprocess.run(
        [
            go("github.com/compose-spec/compose-go/v2/cmd", "v2.16.2"),
            "-no-interpolation",
            DEPLOY / "compose.yaml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "consumer-2" in done.stdout
