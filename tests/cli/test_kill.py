"""A run that is killed while images are shifted or features are extracted."""

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


def cached(workspace, kind):
    """Return the files of the folders of images or features, with the time of their last change."""
    found = {}
    for path in sorted((workspace.folder / "home" / kind).glob("*/*")):
        if path.is_file():
            found[f"{path.parent.name}/{path.name}"] = path.stat().st_mtime_ns
    return found


def kill_after(workspace, kind, shards, *options):
    """Start a run and kill it with its workers when so many shards are on disk."""
    command = workspace.command(*RUN, *options)
    process = subprocess.Popen(**command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while process.poll() is None and sum(name.endswith(".done") for name in cached(workspace, kind)) < shards:
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.long
def test_only_missing_shards_are_extracted(workspace):
    kill_after(workspace, "features", 2)
    before = {name: changed for name, changed in cached(workspace, "features").items() if name.endswith(".done")}
    assert len(before) >= 2
    resumed = workspace.call(*RUN)
    assert resumed.returncode == 0, resumed.stderr
    after = cached(workspace, "features")
    shards = [name for name in after if name.endswith(".done")]
    assert len(shards) > len(before)
    assert {name: after[name] for name in before} == before
    assert f"features: {len(shards) - len(before)} in" in resumed.stderr


@pytest.mark.long
def test_only_missing_images_are_shifted(workspace):
    decoded, of_the_test, shifted = 3, 1, 4
    options = ("--robustness", "standard")
    kill_after(workspace, "images", decoded + of_the_test + 1, *options)
    before = {name: changed for name, changed in cached(workspace, "images").items() if name.endswith(".done")}
    assert len(before) > decoded + of_the_test
    resumed = workspace.call(*RUN, *options)
    assert resumed.returncode == 0, resumed.stderr
    after = cached(workspace, "images")
    assert {name: after[name] for name in before} == before
    assert sum(name.endswith(".done") for name in after) == decoded + of_the_test + shifted
