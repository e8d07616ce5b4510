"""Several processes that start the same command at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

PROCESSES = 8


def start(workspace, command):
    arguments = workspace.command(*command, "--workers", "1")
    return subprocess.Popen(**arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_eight_processes_share_the_work_and_print_one_board(workspace, small, same_result):
    processes = [start(workspace, small) for _ in range(PROCESSES)]
    ended = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, ended
    assert len({printed for printed, _ in ended}) == 1
    same_result(workspace)
    said = "\n".join(talk for _, talk in ended)
    complete = [line.partition(": complete, ")[0] for line in said.splitlines() if ": complete, " in line]
    assert sorted(complete) == sorted(workspace.entries())  # each entered by exactly one process
    assert "finished by another process" in said


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are killed")
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_waiting_process_takes_over_the_work_of_a_killed_one(workspace, small, same_result):
    first = start(workspace, small)
    while not list(workspace.folder.glob("leaderboard/studies/*.journal")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    second = start(workspace, small)
    while not list(workspace.folder.glob("leaderboard/*/entries/*.lock")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    _, talk = second.communicate()
    assert second.returncode == 0, talk
    same_result(workspace)
