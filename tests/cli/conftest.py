"""Real runs of the command line, in their own process or in this one (which has already imported TensorFlow)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture
def run_here(workspace, tensorflow_ready):
    """Return a function that runs a command in this process, in the folder and with the environment of `workspace`."""
    return workspace.call_here


@pytest.fixture(scope="session")
def run_once(tmp_path_factory, worker_id, make_workspace, tensorflow_ready):
    """Return a function that runs a command once for all xdist workers; it returns the workspace and the completed process."""
    base = tmp_path_factory.getbasetemp()
    root = base if worker_id == "master" else base.parent

    def run(name, *arguments):
        workspace, finished = make_workspace(root / name), root / f"{name}.json"
        with FileLock(root / f"{name}.lock"):
            if not finished.exists():
                workspace.folder.mkdir(exist_ok=True)
                result = workspace.call_here(*arguments)
                assert result.returncode == 0, result.stderr
                finished.write_text(json.dumps({"stdout": result.stdout, "stderr": result.stderr}))
        return workspace, subprocess.CompletedProcess(arguments, 0, **json.loads(finished.read_text()))

    return run


@pytest.fixture(scope="session")
def shared_folder():
    """Return the folder of test data, or skip."""
    folder = Path(os.environ.get("CXRBENCH_TEST_DATA", Path(__file__).parents[3] / "shared"))
    if not (folder / "data" / "chest_xray").is_dir():
        pytest.skip(f"no real images at {folder}: set CXRBENCH_TEST_DATA to the folder that holds data/chest_xray")
    return folder


@pytest.fixture(scope="session")
def small_run(run_once):
    """Run a small grid on small phantoms once, for all tests of its results."""
    return run_once("small", "run", *SMALL, "--trials", 3, "--workers", 0, "--json")


SMALL = (
    *("--data", "phantom:images=420,size=64", "--image-size", 64, "--epochs", 3, "--offline"),
    *("--backbone", "random-convnet", "--backbone", "texture"),
    *("--augmentation", "none", "--augmentation", "gentle:views=2", "--imbalance", "none", "--imbalance", "smote"),
)


@pytest.fixture
def small_flags():
    return SMALL


@pytest.fixture
def copy_of_small_run(small_run, tmp_path, make_workspace):
    """Return a copy of the small run that a test may change."""
    shutil.copytree(small_run[0].folder, tmp_path / "copy")
    return make_workspace(tmp_path / "copy")
