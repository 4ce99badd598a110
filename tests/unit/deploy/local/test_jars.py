import hashlib
from pathlib import Path

import pytest

from orgtrail_deploy.errors import StackError
from orgtrail_deploy.local import jars
from orgtrail_deploy.local.jars import Jar, ensure_jars, locked_jars

CONTENT = b"a jar"
JAR = Jar("g", "a", "1", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def remote(monkeypatch):
    """What the download brings; an exception is raised instead."""
    brings = {"content": CONTENT, "times": 0}

    def download(jar: Jar, staging: Path, _repositories):
        brings["times"] += 1
        if isinstance(brings["content"], Exception):
            raise brings["content"]
        path = staging / jar.file_name
        path.write_bytes(brings["content"])
        return path

    monkeypatch.setattr(jars, "_download", download)
    return brings


def test_a_jar_is_downloaded_once(tmp_path, remote):
    seen = []
    for _ in range(2):
        paths = ensure_jars(tmp_path, lambda *counts: seen.append(counts), [JAR])
    assert [p.read_bytes() for p in paths] == [CONTENT]
    assert remote["times"] == 1
    assert seen == [(0, 1), (1, 1), (1, 1)]


def test_a_jar_whose_hash_differs_is_not_installed(tmp_path, remote):
    remote["content"] = b"another jar"
    with pytest.raises(StackError, match=r"^a-1\.jar does not have the hash[^\n]+$"):
        ensure_jars(tmp_path, lambda *_: None, [JAR])
    assert list(tmp_path.rglob("*.jar")) == []


def test_a_jar_that_was_damaged_in_the_cache_is_fetched_again(tmp_path, remote):
    (path,) = ensure_jars(tmp_path, lambda *_: None, [JAR])
    path.write_bytes(b"damaged")
    assert ensure_jars(tmp_path, lambda *_: None, [JAR])[0].read_bytes() == CONTENT
    assert remote["times"] == 2


def test_the_lock_has_a_hash_for_each_of_its_jars_and_no_address():
    assert len(locked_jars()) == 46
    assert all(len(jar.sha256) == 64 for jar in locked_jars())
    text = Path(jars.__file__).with_name("kafka.lock.toml").read_text()
    assert "://" not in text
