"""Locks end with their holder and leave no file."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from cxrbench.storage.locks import is_unlocked, try_lock, wait_for_lock

HOLDER = """
import sys
import time
from pathlib import Path
from cxrbench.storage.locks import wait_for_lock

with wait_for_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(path):
    """Return a process that holds a lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_has_one_holder_and_is_free_after_release(tmp_path):
    path = tmp_path / "folder" / "one.lock"
    with try_lock(path) as first, try_lock(path) as second:
        assert (first, second) == (True, False)
        assert not is_unlocked(path)
    assert not path.exists()
    with try_lock(path) as again:
        assert again


def test_a_lock_of_another_process_is_free_once_it_is_killed(tmp_path):
    path, waits = tmp_path / "one.lock", []
    process = holder(path)

    def wait():
        with wait_for_lock(path, lambda: waits.append("waited")):
            return "held"

    with try_lock(path) as is_held:
        assert not is_held
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        while not waits:
            assert not waiting.done()
        process.kill()
        process.communicate()
        assert waiting.result(timeout=60) == "held"
    assert waits == ["waited"]
    assert not path.exists()


def test_the_lock_file_of_a_dead_holder_does_not_block(tmp_path):
    path = tmp_path / "one.lock"
    process = holder(path)
    process.kill()
    process.communicate()
    assert path.exists()
    assert is_unlocked(path)
    with try_lock(path) as is_held:
        assert is_held
    assert not path.exists()


def test_only_one_of_many_threads_holds_the_lock_at_a_time(tmp_path):
    path, inside, counts, start = tmp_path / "one.lock", [], [], Barrier(8)

    def enter():
        start.wait()
        for _ in range(20):
            with wait_for_lock(path):
                inside.append(1)
                counts.append(len(inside))
                inside.pop()

    with ThreadPoolExecutor(8) as pool:
        for call in [pool.submit(enter) for _ in range(8)]:
            call.result(timeout=120)
    assert set(counts) == {1}
    assert len(counts) == 160
