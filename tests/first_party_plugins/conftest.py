"""What several tests of the first-party plugins need: tiny images and the real ones, where they are."""

from __future__ import annotations

import os
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
