"""Made-up trees of public collections: their published headers and folder names, and empty files for images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cxrbench.data.source import find_dataset, named_images
from cxrbench.testing import run_checks

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def write():
    """Return a function that writes lines to a file, with the folders above it."""

    def write_lines(path: Path, *lines: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write_lines


@pytest.fixture
def touch():
    """Return a function that makes empty files, by their paths in a folder."""

    def make(root: Path, *names: str) -> None:
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()

    return make


@pytest.fixture
def images_of(host):
    """Return a function from what ``--data`` may say to the images, without decoding any."""

    def no_fetch(download):
        raise AssertionError(download)

    return lambda text: named_images(find_dataset(str(text), host), no_fetch)


@pytest.fixture
def load(images_of, tmp_path):
    """Return a function that reads the collection in this test's folder with options."""

    def load_with(name: str, **options: str):
        given = "".join(f",{option}='{value}'" for option, value in options.items())
        return images_of(f"{name}:source='{tmp_path}'{given}")

    return load_with


@pytest.fixture
def labels_of():
    """Return a function from images to the label of each key."""
    return lambda images: {record.key: record.label for record in images.records}


@pytest.fixture
def records_of():
    """Return a function from images to the record of each key."""
    return lambda images: {record.key: record for record in images.records}


@pytest.fixture
def broken_rules(tmp_path, encode):
    """Return a function that runs the conformance kit on the collection in this test's folder, whose files become images."""

    def check(name: str) -> list[tuple[str, str]]:
        generator = np.random.default_rng(0)
        for path in (path for path in tmp_path.rglob("*.*") if path.is_file() and not path.stat().st_size):
            path.write_bytes(encode(generator.integers(0, 256, (16, 16), dtype=np.uint8)))
        results = run_checks(f"{name}:source='{tmp_path}'", kind="dataset")
        return [(result.check.name, result.message) for result in results if result.state != "passed"]

    return check
