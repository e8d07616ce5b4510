"""A run that is killed while features are extracted."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

RUN = (
    *("run", "--data", "phantom:images=1100,size=64", "--image-size", "64", "--backbone", "random-convnet"),
    *("--augmentation", "gentle:views=1", "--imbalance", "none", "--no-controls"),
    *("--trials", "1", "--epochs", "1", "--workers", "1"),
)


def features_of(workspace):
    """Return the files of the features folders, with the time of their last change."""
    found = {}
    for path in sorted((workspace.folder / "home" / "features").glob("*/*")):
        if path.is_file():
            found[f"{path.parent.name}/{path.name}"] = path.stat().st_mtime_ns
    return found


def kill_after(workspace, shards):
    """Start a run and kill it with its workers when so many shards are on disk."""
    command = workspace.command(*RUN)
    process = subprocess.Popen(**command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while process.poll() is None and sum(name.endswith(".done") for name in features_of(workspace)) < shards:
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.long
def test_only_missing_shards_are_extracted(workspace):
    kill_after(workspace, shards=2)
    before = {name: changed for name, changed in features_of(workspace).items() if name.endswith(".done")}
    assert len(before) >= 2
    resumed = workspace.call(*RUN)
    assert resumed.returncode == 0, resumed.stderr
    after = features_of(workspace)
    shards = [name for name in after if name.endswith(".done")]
    assert len(shards) > len(before)
    assert {name: after[name] for name in before} == before
    assert f"features: {len(shards) - len(before)} in" in resumed.stderr
