"""`cxrbench clean`: what killed runs leave goes, what others use and what anybody needs stays."""

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
def test_what_a_killed_run_leaves_is_named_and_removed_and_the_rest_goes_on(place):
    (place.folder / "tmp").mkdir()
    temporary = {"TMPDIR": str(place.folder / "tmp")}
    endless = place.command(*RUN, "--trials", "5000", **temporary)
    process = subprocess.Popen(**endless, stderr=subprocess.DEVNULL, start_new_session=True)
    while not list((place.folder / "leaderboard").glob("studies/*.journal")):
        assert process.poll() is None
        time.sleep(0.01)
    running = place.call("clean", **temporary)
    assert (running.stdout, running.returncode) == ("", 0)  # all of it is still in use
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    half = place.protocol_folder() / ".LEADERBOARD.md.x1.part"
    half.write_bytes(b"half")
    (place.folder / "leaderboard" / "uv.lock").touch()  # somebody else's
    (place.folder / "leaderboard" / "studies" / "some.lock").write_text("[package]")
    assert place.call("clean", **temporary).stdout.count("half-written") == 0  # somebody may be writing it
    os.utime(half, (0, 0))
    shown = place.call("clean", "--dry-run", **temporary)
    assert f"half-written file: {half.relative_to(place.folder)}\n" in shown.stdout
    assert half.exists()
    kept = contents(place.folder / "home" / "features")
    assert place.call("clean", **temporary).stdout == shown.stdout
    assert not half.exists()
    assert {path.name for path in place.folder.glob("leaderboard/**/*.lock")} == {"uv.lock", "some.lock"}
    assert contents(place.folder / "tmp") == set()
    assert {path for path in kept if path.suffix != ".lock"} <= contents(place.folder / "home" / "features")
    assert place.call("clean", **temporary).stdout == ""
    assert place.call(*RUN, "--trials", "1", **temporary).returncode == 0
    assert contents(place.folder / "tmp") == set()
    assert place.call("clean", **temporary).stdout == ""  # a run that ends leaves nothing
