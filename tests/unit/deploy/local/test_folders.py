import os

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local.folders import lock, make_private, running


def test_a_folder_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match=r"^cannot write to [^\n]+ORGTRAIL_HOME[^\n]+$"):
        make_private(tmp_path / "file" / "home")


def test_two_stacks_do_not_share_a_folder(tmp_path):
    assert running(tmp_path) is None
    held = lock(tmp_path)
    assert running(tmp_path) == os.getpid()
    with pytest.raises(StackError, match=rf"process {os.getpid()}\): stop it with orgtrail down"):
        lock(tmp_path)
    held.close()
    assert running(tmp_path) is None
    lock(tmp_path).close()


def test_a_folder_is_its_owners_alone(tmp_path):
    assert make_private(tmp_path / "home").stat().st_mode & 0o077 == 0
