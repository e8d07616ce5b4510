"""Several processes that start the same command at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

PROCESSES = 8


def start(place, command):
    arguments = place.command(*command, "--workers", "1")
    return subprocess.Popen(**arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_eight_processes_share_the_work_and_end_with_one_board(place, small, same_result):
    processes = [start(place, small) for _ in range(PROCESSES)]
    ended = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, ended
    assert len({printed for printed, _ in ended}) == 1
    same_result(place)
    said = "\n".join(talk for _, talk in ended)
    complete = [line.partition(": complete, ")[0] for line in said.splitlines() if ": complete, " in line]
    assert sorted(complete) == sorted(place.entries())  # each entered once, by whichever process
    assert "entered by another process" in said


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are killed")
@pytest.mark.long
@pytest.mark.timeout(900)
def test_what_a_killed_process_held_is_taken_over_by_one_that_waits(place, small, same_result):
    first = start(place, small)
    while not list(place.folder.glob("leaderboard/studies/*.journal")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    second = start(place, small)
    while not list(place.folder.glob("leaderboard/*/entries/*.lock")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    _, talk = second.communicate()
    assert second.returncode == 0, talk
    same_result(place)
