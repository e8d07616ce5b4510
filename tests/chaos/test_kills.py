"""Runs that are killed at random times and restarted until they finish.

A kill hits the whole process group, or only the parent, so that its workers are orphans.
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
    """Start a run and kill it after some seconds; return False if it finished before."""
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
def test_runs_that_are_killed_repeatedly_have_the_same_result(places, small, undisturbed, same_result, long):
    chance, kills = random.Random(SEED), 0
    while kills < (MANY if long else FEW):
        place = next(places)
        while is_killed(place, small, chance.uniform(0.3, undisturbed.seconds), with_workers=chance.random() < 0.5):
            kills += 1
        same_result(place)
        assert place.call("clean").returncode == 0
        assert not list(place.folder.glob("leaderboard/**/*.lock"))
