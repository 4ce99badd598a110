"""compose.yaml as the specification's own library reads it."""

import os
import re
import subprocess
from pathlib import Path

from tests.support.tools import go

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def test_it_is_taken_with_the_example_s_variables():
    example = (DEPLOY / "compose.env.example").read_text()
    names = re.findall(r"^(\w+)=$", example, re.MULTILINE)
    done = subprocess.run(
        [go("github.com/compose-spec/compose-go/v2/cmd", "v2.16.2"), DEPLOY / "compose.yaml"],
        env=os.environ | dict.fromkeys(names, "/x"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "consumer-2" in done.stdout
