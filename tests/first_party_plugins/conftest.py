"""What several tests of the first-party plugins need: tiny images and the real ones, where they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def draw():
    """Write a tiny image to a path, with the folders above it."""

    def write(path: Path, grey: int = 128) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 6), grey).save(path)
        return path

    return write


@pytest.fixture
def real_images() -> Path:
    """Return the folder chest_xray with the images of Kermany et al., or skip."""
    beside_project = Path(__file__).parents[3] / "shared"
    folder = Path(os.environ.get("CXRBENCH_TEST_DATA", beside_project)) / "data" / "chest_xray"
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set CXRBENCH_TEST_DATA to the folder that holds data/chest_xray")
    return folder


@pytest.fixture
def run_command(tmp_path):
    """Run the command line in a process of its own, with a cache and a leaderboard of its own."""

    def run(*arguments, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CXRBENCH_", "KERAS_"))}
        home = {"CXRBENCH_HOME": str(tmp_path / "home"), "KERAS_HOME": str(tmp_path / "keras")}
        return subprocess.run(
            [str(Path(sys.executable).parent / "cxrbench"), *map(str, arguments)],
            cwd=tmp_path,
            env={**kept, **home, **environment},
            text=True,
            capture_output=True,
            check=False,
        )

    return run
