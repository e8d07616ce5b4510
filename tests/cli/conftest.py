"""Real runs of the command line, in their own process or in this one (which has already imported TensorFlow)."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def run_here(workspace, tensorflow_ready):
    """Return a function that runs a command in this process, in the folder and with the environment of `workspace`."""
    return workspace.call_here


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
