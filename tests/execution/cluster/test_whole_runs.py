"""Whole runs on a scheduler, of which machines die and others join, give the bytes of a local run."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(1800)

RUN = (
    *("run", "--data", "images", "--split", "grouped", "--image-size", "64", "--trials", "12", "--offline", "--no-controls"),
    *("--backbone", "mobilenet:alpha=0.25", "--augmentation", "gentle", "--imbalance", "none"),
    *("--fine-tune", "1", "--fine-tune-trials", "2", "--fine-tune-epochs", "2"),
)


@pytest.fixture
def real_images(workspace, shared_folder):
    """Put 350 real images, spread over the collection, into the workspace: fewer leave too few for validation."""
    files = sorted((shared_folder / "data" / "chest_xray").rglob("*.jpeg"))
    for name, count in (("NORMAL", 90), ("PNEUMONIA", 260)):
        of_class = [file for file in files if file.parent.name == name]
        target = workspace.folder / "images" / name
        target.mkdir(parents=True)
        for file in of_class[:: len(of_class) // count][:count]:
            shutil.copy(file, target)


def test_a_run_whose_machines_come_and_go_gives_the_same_bytes(real_images, workspace, new_cluster, shared_folder, wait_until):
    keras = {"KERAS_HOME": str(shared_folder / "keras_home")}
    local = workspace.call(*RUN, "--workers", "2", "--out", "local", **keras, CXRBENCH_HOME=str(workspace.folder / "other"))
    assert local.returncode == 0, local.stderr
    home = {"CXRBENCH_HOME": os.environ["CXRBENCH_HOME"]}
    command = workspace.command(*RUN, "--scheduler", new_cluster.file, "--out", "cluster", **keras, **home)

    lost = new_cluster.start_worker()
    first = subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: list(Path(home["CXRBENCH_HOME"], "features").glob("*/*")), 600)
    new_cluster.start_worker(2)
    new_cluster.kill(lost)
    wait_until(lambda: list((workspace.folder / "cluster" / "studies").glob("*.journal")), 600)
    time.sleep(1)
    new_cluster.end()
    _, said = first.communicate(timeout=120)
    assert first.returncode == 130, said
    assert "does not answer any more" in said
    assert "run the same command again to resume" in said

    Path(new_cluster.file).unlink(missing_ok=True)
    new_cluster.start_scheduler()
    new_cluster.start_worker(2)
    second = subprocess.run(**command, capture_output=True, check=False)
    assert second.returncode == 0, second.stderr
    for pattern in ("*/predictions/*", "*/models/**/*.safetensors"):
        expected = {path.relative_to("local"): found for path, found in workspace.files(pattern, "local").items()}
        found = {path.relative_to("cluster"): found for path, found in workspace.files(pattern, "cluster").items()}
        assert expected
        assert found == expected
