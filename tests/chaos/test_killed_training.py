"""Fine-tuning that is killed at random moments goes on with the epoch that was under way, and ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import pytest

RUN = (
    *("run", "--image-size", "32", "--backbone", "mobilenet:alpha=0.25,weights=none", "--no-controls", "--offline"),
    *("--augmentation", "gentle:views=1", "--imbalance", "none", "--trials", "2", "--epochs", "2", "--robustness", "none"),
    *("--fine-tune", "1", "--fine-tune-trials", "2", "--fine-tune-epochs", "5"),
)
EPOCHS = 2 * 5


@pytest.fixture(scope="module")
def command(draw_images, tmp_path_factory):
    return (*RUN, "--data", draw_images(tmp_path_factory.mktemp("data"), 290, 290, difference=1))


@pytest.fixture(scope="module")
def undisturbed(command, make_workspace, tmp_path_factory, tensorflow_ready):
    """Run without interruption in this process; return all files of its results."""
    workspace = make_workspace(tmp_path_factory.mktemp("undisturbed"))
    done = workspace.call_here(*command, "--workers", "0")
    assert done.returncode == 0, done.stderr
    return results_of(workspace)


def results_of(workspace):
    """Return the predictions and the models of a run."""
    return {path.name: content for pattern in ("predictions/*", "models/*/*/*") for path, content in files(workspace, pattern)}


def files(workspace, pattern):
    return [(path, content) for path, content in workspace.files(f"*/{pattern}").items()]


def epochs(workspace):
    """Return how many epochs each checkpoint on disk has behind it, by its place."""
    from safetensors import SafetensorError, safe_open

    found = {}
    for path in workspace.folder.glob("home/training/*/*.progress"):
        try:
            with safe_open(path, framework="numpy") as file:
                found[f"{path.parent.name}/{path.name}"] = len(json.loads(file.metadata()["losses"])) - 1
        except (FileNotFoundError, SafetensorError):  # it was removed or replaced just now
            continue
    return found


def run_until(workspace, command, goal, pause, seen):
    """Start a run, note the epochs behind each checkpoint, and kill it after so many epochs in all, and a pause."""
    process = subprocess.Popen(
        **workspace.command(*command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and sum(seen.values()) < goal:
        time.sleep(0.02)
        for name, count in epochs(workspace).items():
            assert count >= seen.get(name, 0), "an epoch was trained again"
            seen[name] = count
    time.sleep(pause)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are killed")
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.slow
def test_killed_training_ends_with_the_same_bytes(workspace, command, undisturbed, workers, long):
    chance, seen = random.Random(workers), {}
    for goal in sorted(chance.choices(range(1, EPOCHS), k=10 if long else 2)):
        run_until(workspace, (*command, "--workers", workers), goal, chance.uniform(0, 1), seen)
    done = workspace.call(*command, "--workers", str(workers))
    assert done.returncode == 0, done.stderr
    assert results_of(workspace) == undisturbed
    assert not list(workspace.folder.glob("home/training/*"))
