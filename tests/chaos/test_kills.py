"""Runs that are killed at random moments and started again until they are done.

    CXRBENCH_CHAOS_KILLS=40 pytest -n 0 tests/chaos/test_kills.py

is the long form. A kill strikes the whole process group, or the parent alone, whose workers are then on their own.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess

import pytest

KILLS = int(os.environ.get("CXRBENCH_CHAOS_KILLS", "5"))
SEED = 6


def is_killed(place, command, seconds, *, with_workers):
    """Start a run, kill it after so many seconds, and return whether that was before its end."""
    process = subprocess.Popen(
        **place.command(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill = os.killpg if with_workers else os.kill
        kill(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    assert process.returncode == 0, said
    assert "damaged" not in said
    return False


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are killed")
@pytest.mark.timeout(60 + 60 * KILLS)
def test_runs_that_are_killed_again_and_again_come_to_the_same_end(place_at, tmp_path, small, undisturbed, same_result):
    chance, kills, runs = random.Random(SEED), 0, 0
    while kills < KILLS:
        place = place_at(tmp_path / str(runs))
        place.folder.mkdir()
        while is_killed(place, small, chance.uniform(0.3, undisturbed.seconds), with_workers=chance.random() < 0.5):
            kills += 1
        same_result(place)
        assert place.call("clean").returncode == 0
        assert not list(place.folder.glob("leaderboard/**/*.lock"))
        runs += 1
    assert kills >= KILLS
