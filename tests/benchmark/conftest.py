"""A finished run with two folds and two seeds, whose models are kept."""

from __future__ import annotations

import shutil

import pytest

from cxrbench.benchmark.model.backbone import Surroundings
from cxrbench.data.download import Downloader


@pytest.fixture(scope="session")
def kept_run_command():
    """Return the command that runs two recipes on small phantoms with two folds and two seeds."""
    flags = ("--folds", 2, "--seeds", 2, "--trials", 2, "--epochs", 2, "--workers", 0, "--offline", "--no-controls")
    backbones = ("--backbone", "random-convnet", "--backbone", "control-thumbnail")
    data = ("--data", "phantom:images=640,size=32", "--image-size", 32, "--split", "grouped")
    return ("run", *data, *flags, *backbones, "--augmentation", "none", "--imbalance", "none")


@pytest.fixture(scope="session")
def kept_run(run_once, kept_run_command):
    """Run that command once for all tests."""
    return run_once("kept", *kept_run_command)[0]


@pytest.fixture
def copy_of_kept_run(kept_run, tmp_path, make_workspace):
    """Return a copy of that run that a test may change."""
    shutil.copytree(kept_run.folder, tmp_path / "copy")
    return make_workspace(tmp_path / "copy")


@pytest.fixture(scope="session")
def surroundings(host):
    return Surroundings(host=host, downloader=Downloader(offline=True, say=print))
