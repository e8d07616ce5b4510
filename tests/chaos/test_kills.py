"""Runs that are killed again and again and started again until they are done.

A kill hits the whole process group, or the parent alone, so that its workers are orphaned.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

RECORDS = (0, 1, 8, 20)
"""After how many new records a run is killed: of shards, trials and entries."""


def records(workspace):
    """Return how many shards, trials and entries are recorded."""
    files = [path for pattern in ("home/*/*/*.done", "leaderboard/*/entries/*.json") for path in workspace.folder.glob(pattern)]
    journals = workspace.folder.glob("leaderboard/studies/*.journal")
    return len(files) + sum(path.read_bytes().count(b'"op_code":4,') for path in journals)


def kill(workspace, command, after, pause, *, with_workers):
    """Start a run and kill it once it has recorded so much more, and some seconds later, if it still runs."""
    goal = records(workspace) + after
    process = subprocess.Popen(
        **workspace.command(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    while records(workspace) < goal and process.poll() is None:
        time.sleep(0.05)
    time.sleep(pause)
    if process.poll() is None:
        (os.killpg if with_workers else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
    else:
        said, _ = process.communicate()
        assert process.returncode == 0, said


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are killed")
@pytest.mark.parametrize("seed", [46, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(9))])
@pytest.mark.slow
def test_a_run_killed_again_and_again_gives_the_same_result(workspace, small, same_result, seed, long):
    chance = random.Random(seed)
    for after in chance.sample(RECORDS, len(RECORDS) if long else 2):
        kill(workspace, small, after, chance.uniform(0, 1 / (1 + after)), with_workers=chance.random() < 0.5)
    done = workspace.call_here(*small, "--workers", "0")
    assert done.returncode == 0, done.stderr
    assert "damaged" not in done.stderr
    same_result(workspace)
    assert workspace.call_here("clean").returncode == 0
    assert not list(workspace.folder.glob("leaderboard/**/*.lock"))
