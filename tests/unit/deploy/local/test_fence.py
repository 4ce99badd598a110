"""A fenced process; tests/attack/test_fence.py tries the real server."""

import subprocess
import sys

import pytest

from orgtrail_deploy.local import fence as module
from orgtrail_deploy.local.fence import has_fence

FENCED = """
import socket, sys
from pathlib import Path
from orgtrail_deploy.local.fence import fence
data, programs, outside = map(Path, sys.argv[1:4])
fence(data, programs, [int(sys.argv[4])], [])
(data / "a").mkdir(); (data / "a" / "file").write_text("x"); (data / "a" / "file").rename(data / "b")
assert (programs / "lib").read_text() == "y"
socket.create_server(("127.0.0.1", int(sys.argv[4]))).close()
def refused(act):
    try:
        act()
    except PermissionError:
        return True
assert refused(lambda: (outside / "secret").read_text())
assert refused(lambda: (outside / "new").write_text(""))
assert refused(lambda: (programs / "lib").write_text(""))
assert refused(lambda: socket.create_server(("127.0.0.1", 0)))
assert refused(lambda: socket.create_connection(("127.0.0.1", 9)))
print("fenced")
"""


def free_port():
    """Asked for in another process: this one may not open sockets."""
    code = "from orgtrail_deploy.local.ports import free_ports; print(*free_ports(1))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(not has_fence(), reason="this system has no Landlock: there is no fence")
def test_a_fenced_process_touches_its_folder_only(tmp_path):
    folders = [tmp_path / name for name in ("data", "programs", "outside")]
    for folder in folders:
        folder.mkdir()
    (tmp_path / "programs" / "lib").write_text("y")
    (tmp_path / "outside" / "secret").write_text("z")
    command = [sys.executable, "-c", FENCED, *folders, str(free_port())]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == "fenced\n", done.stderr


@pytest.mark.parametrize(("version", "fenced"), [(None, False), (1, False), (2, True), (7, True)])
def test_a_system_without_landlock_is_told_apart(monkeypatch, version, fenced):
    def ask():
        if version is None:
            raise module.LandlockError
        return version

    monkeypatch.setattr(module, "get_abi_version", ask)
    assert has_fence() == fenced
