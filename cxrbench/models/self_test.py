"""Ten generated images with the results of a model: do a file and this machine still give what the model gave at its export?

A self-test detects accidents: a damaged file, another version of a library that computes otherwise. It does not detect an
attacker, who can change the expected results as well.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.storage.files import atomic_write
from cxrbench.storage.json_records import require_regular

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.config.values import Precision
    from cxrbench.models.classifier import Classifier

IMAGES = 10
LARGEST_BYTES = 64 * 2**20
"""Ten images of 1024 pixels have 10 MB."""
TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest difference of a logit, relative to one plus its size. A change of 0.001 in a logit changes a score by at most
0.00025; libraries and processors differ by about 1e-5 in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """Images and the results of a model.

    Attributes:
        images: uint8 ``[10, size, size]``.
        logits: float64 ``[10]``; they are compared, because scores near 0 and 1 hide differences.
        scores: float64 ``[10]``, the same as scores.
    """

    images: NDArray[np.uint8]
    logits: NDArray[np.float64]
    scores: NDArray[np.float64]


def make_self_test(classifier: Classifier) -> SelfTest:
    """Return the results of a classifier for the ten generated images."""
    images = draw(classifier.size)
    return SelfTest(images=images, logits=classifier.logits(images), scores=classifier.scores(images))


def difference(classifier: Classifier, stored: SelfTest) -> float:
    """Return the largest difference between a classifier's logits and the stored ones, relative to one plus their size."""
    if stored.images.shape[1:] != (classifier.size, classifier.size):
        return float("inf")
    logits = classifier.logits(stored.images)
    return float(np.max(np.abs(logits - stored.logits) / (1 + np.abs(stored.logits))))


def write_self_test(path: Path, test: SelfTest) -> None:
    """Write a self-test as NPZ, with the arrays ``images``, ``logits`` and ``scores``."""
    content = io.BytesIO()
    np.savez(content, images=test.images, logits=test.logits, scores=test.scores)
    with atomic_write(path) as file:
        file.write(content.getvalue())


def read_self_test(path: Path, *, within: Path) -> SelfTest:
    """Read a self-test.

    Raises:
        CxrbenchError: the file is missing, too large, or not a self-test.
    """
    require_regular(path, LARGEST_BYTES, within=within)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > LARGEST_BYTES:
            raise ValueError(f"it has {unpacked:,} bytes when unpacked (limit: {LARGEST_BYTES:,})")
        with np.load(path, allow_pickle=False) as arrays:
            return _checked(SelfTest(images=arrays["images"], logits=arrays["logits"], scores=arrays["scores"]))
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError) as error:
        raise CxrbenchError(f"{path} is not a valid self-test: {error}") from None


def _checked(test: SelfTest) -> SelfTest:
    count = len(test.images)
    if test.images.ndim != 3 or test.images.dtype != np.uint8 or not 0 < count <= IMAGES:
        raise ValueError("its images are not grey images of 8 bits")
    if any(one.shape != (count,) or one.dtype != np.float64 for one in (test.logits, test.scores)):
        raise ValueError("it has no logit and score for each image")
    return test


def draw(size: int) -> NDArray[np.uint8]:
    """Draw ten images that cover dark to bright, flat to contrasty and smooth to noisy, uint8 ``[10, size, size]``.

    Two bright ellipses on a dark field, roughly where lungs are: enough for a network to answer differently. They are
    computed and not random, and contain nobody's data.
    """
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    return np.stack([_drawn(rows, columns, number) for number in range(IMAGES)])


def _drawn(rows: NDArray[np.float64], columns: NDArray[np.float64], number: int) -> NDArray[np.uint8]:
    shift, width = 0.02 * (number % 5), 0.11 + 0.01 * number
    lungs = sum(np.exp(-((((columns - side * 0.2) / width) ** 2 + ((rows - shift) / 0.28) ** 2) ** 2)) for side in (-1, 1))
    ribs = 0.15 * np.cos((rows + 0.3 * columns**2) * np.pi * (8 + number))
    noise = np.modf(np.abs(np.sin(rows * 127.1 + columns * 311.7 + number) * 43758.5453))[0] - 0.5  # repeatable
    values = 0.1 + 0.075 * number + (0.35 + 0.05 * (number % 4)) * (lungs - 0.3) + ribs + 0.04 * (number % 3) * noise
    return np.asarray(np.clip(values * 255, 0, 255).round(), dtype=np.uint8)
