"""Runs that are killed at random moments and started again until they are done.

A kill strikes the whole process group, or the parent alone, whose workers are then on their own.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess

import pytest

FEW, MANY = 5, 40
SEED = 6


@pytest.fixture
def places(place_at, tmp_path):
    """Yield empty places."""

    def make():
        for number in itertools.count():
            (tmp_path / str(number)).mkdir()
            yield place_at(tmp_path / str(number))

    return make()


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
@pytest.mark.timeout(3600)
def test_runs_that_are_killed_again_and_again_come_to_the_same_end(places, small, undisturbed, same_result, long):
    chance, kills = random.Random(SEED), 0
    while kills < (MANY if long else FEW):
        place = next(places)
        while is_killed(place, small, chance.uniform(0.3, undisturbed.seconds), with_workers=chance.random() < 0.5):
            kills += 1
        same_result(place)
        assert place.call("clean").returncode == 0
        assert not list(place.folder.glob("leaderboard/**/*.lock"))
