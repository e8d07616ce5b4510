"""`cxrbench clean` removes stale files of killed runs, and nothing that is needed or in use."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

RUN = (
    *("run", "--data", "phantom:images=1100,size=64", "--image-size", "64", "--backbone", "random-convnet", "--no-controls"),
    *("--augmentation", "none", "--imbalance", "none", "--epochs", "1", "--workers", "1", "--offline"),
)


def contents(folder):
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are killed")
def test_stale_files_of_a_killed_run_are_listed_and_removed(workspace):
    (workspace.folder / "tmp").mkdir()
    temporary = {"TMPDIR": str(workspace.folder / "tmp")}
    endless = workspace.command(*RUN, "--trials", "5000", **temporary)
    process = subprocess.Popen(**endless, stderr=subprocess.DEVNULL, start_new_session=True)
    while not list((workspace.folder / "leaderboard").glob("studies/*.journal")):
        assert process.poll() is None
        time.sleep(0.01)
    running = workspace.call("clean", **temporary)
    assert (running.stdout, running.returncode) == ("", 0)  # all of it is still in use
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    half = workspace.protocol_folder() / ".LEADERBOARD.md.x1.part"
    half.write_bytes(b"half")
    (workspace.folder / "leaderboard" / "uv.lock").touch()  # of another program
    (workspace.folder / "leaderboard" / "studies" / "some.lock").write_text("[package]")
    assert workspace.call("clean", **temporary).stdout.count("half-written") == 0  # too recent: it may still be written
    os.utime(half, (0, 0))
    shown = workspace.call("clean", "--dry-run", **temporary)
    assert f"half-written file: {half.relative_to(workspace.folder)}\n" in shown.stdout
    assert half.exists()
    kept = contents(workspace.folder / "home" / "features")
    assert workspace.call("clean", **temporary).stdout == shown.stdout
    assert not half.exists()
    assert {path.name for path in workspace.folder.glob("leaderboard/**/*.lock")} == {"uv.lock", "some.lock"}
    assert contents(workspace.folder / "tmp") == set()
    assert {path for path in kept if path.suffix != ".lock"} <= contents(workspace.folder / "home" / "features")
    assert workspace.call("clean", **temporary).stdout == ""
    assert workspace.call(*RUN, "--trials", "1", **temporary).returncode == 0
    assert contents(workspace.folder / "tmp") == set()
    assert workspace.call("clean", **temporary).stdout == ""  # a run that ends leaves nothing
