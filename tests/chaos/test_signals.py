"""Runs that are stopped by Ctrl-C, by the system, or by closing the terminal."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

SAYS = "error: interrupted. Finished work is kept; run the same command again to resume"


def stopped(workspace, command, number, when):
    """Start a run, send it a signal once `when()` is true, and return the completed process."""
    process = subprocess.Popen(
        **workspace.command(*command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    while not when():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(number)
    said, talk = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, said, talk)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "moment"),
    [("SIGTERM", "studies/*.journal"), ("SIGINT", "features/*/*.done"), ("SIGHUP", "*/entries/random*.json")],
)
def test_a_stopped_run_says_how_to_resume_and_resumes(workspace, small, same_result, name, moment):
    if not hasattr(signal, name):
        pytest.skip(f"no {name} here")
    root = workspace.folder / ("home" if moment.startswith("features") else "leaderboard")
    ended = stopped(workspace, small, getattr(signal, name), lambda: any(root.glob(moment)))
    assert ended.returncode == 130, ended.stderr
    assert ended.stderr.splitlines()[-1] == SAYS
    assert "Traceback" not in ended.stderr
    if moment.endswith("json"):  # finished entries are ranked
        assert (workspace.protocol_folder() / "LEADERBOARD.md").is_file()
    resumed = workspace.call(*small)
    assert resumed.returncode == 0, resumed.stderr
    same_result(workspace)
