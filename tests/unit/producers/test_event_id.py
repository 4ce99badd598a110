import subprocess
import sys
import threading
from datetime import UTC, datetime

from orgtrail.event_id import new_event_id


def test_new_ids_are_of_version_7_and_of_now():
    made = new_event_id()
    assert made.version == 7
    assert abs((made.int >> 80) / 1000 - datetime.now(UTC).timestamp()) < 5


FORKS_IN_C = """
import ctypes, os
from orgtrail.event_id import new_event_id

new_event_id()
child = ctypes.PyDLL(None).fork()
made = [str(new_event_id())[14:] for _ in range(20)]
if not child:
    print(*made, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(*made)
"""


def test_processes_that_a_server_forks_in_c_make_different_ids():
    printed = subprocess.run(
        [sys.executable, "-c", FORKS_IN_C], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(printed) == len(set(printed)) == 40


def test_ids_of_threads_are_unique_and_those_of_one_grow():
    made = [[] for _ in range(8)]
    threads = [
        threading.Thread(target=lambda own=own: own.extend(new_event_id() for _ in range(500)))
        for own in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({identity for own in made for identity in own}) == 4_000
    assert all(own == sorted(own) for own in made)
