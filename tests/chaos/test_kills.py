"""Runs that are killed at random moments and started again until they are done.

A kill hits the whole process group, or the parent alone, so that its workers are orphaned.
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
def workspaces(make_workspace, tmp_path):
    """Yield empty workspaces."""

    def make():
        for number in itertools.count():
            (tmp_path / str(number)).mkdir()
            yield make_workspace(tmp_path / str(number))

    return make()


def is_killed(workspace, command, seconds, *, with_workers):
    """Start a run, kill it after so many seconds, and return whether it was still running."""
    process = subprocess.Popen(
        **workspace.command(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
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
def test_runs_killed_again_and_again_give_the_same_result(workspaces, small, uninterrupted, same_result, long):
    chance, kills = random.Random(SEED), 0
    while kills < (MANY if long else FEW):
        workspace = next(workspaces)
        while is_killed(workspace, small, chance.uniform(0.3, uninterrupted.seconds), with_workers=chance.random() < 0.5):
            kills += 1
        same_result(workspace)
        assert workspace.call("clean").returncode == 0
        assert not list(workspace.folder.glob("leaderboard/**/*.lock"))
