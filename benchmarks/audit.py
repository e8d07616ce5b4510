"""Measure the time, the false findings and the missed findings of a data audit.

    python benchmarks/audit.py --data .../chest_xray

Reports the time of `cxrbench data audit` with and without a cache; how similar images of different groups are, and how many of
these pairs count as duplicates; how many of the changed images are recognised; how many images are found to be inverted,
rightly and wrongly; and the time and memory of comparing 30,000 images with each other.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import numpy as np
from PIL import Image

from cxrbench.data.audit.near import BLOCK, CORRELATION, HASH_DISTANCE, SIDE, hashes, near_pairs, standardised, thumbnails
from cxrbench.data.audit.oddities import NEGATIVE, against_the_typical
from cxrbench.data.dataset import LoadedDataset, catalogue_images, load_dataset
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.source import find_dataset, read_images
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    GreyImages = NDArray[np.uint8]

CHANGED = 300
MANY = 30_000


def main() -> None:
    """Print a Markdown table with one row per measure."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--data", required=True)
    data = arguments.parse_args().data
    print(f"{machine.describe()}\n\n| measure | result |\n|---|---|")
    with tempfile.TemporaryDirectory() as home:
        os.environ["CXRBENCH_HOME"] = home
        _row("`cxrbench data audit`, nothing cached", f"{_time_of_command(data):.1f} s")
        _row("the same with decoded images", f"{_time_of_command(data):.1f} s")
        dataset = _load(data)
        small = thumbnails(dataset)
        _different_groups(dataset, small)
        _changes(dataset, small)
        _negatives(small)
    _many(small)


def _row(measure: str, result: str) -> None:
    print(f"| {measure} | {result} |", flush=True)


def _time_of_command(data: str) -> float:
    start = time.perf_counter()
    command = [str(Path(sys.executable).parent / "cxrbench"), "data", "audit", data, "--allow-leak"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def _load(data: str) -> LoadedDataset:
    images = read_images(find_dataset(data, load_host()), lambda download: Path(download.file_name))
    catalogue = catalogue_images(images, Decoding(size=224, resize="stretch", threads=2))
    deque(catalogue.decode(), maxlen=0)
    return load_dataset(catalogue)


def _different_groups(dataset: LoadedDataset, small: GreyImages) -> None:
    """Compare all images of different groups."""
    groups, vectors, codes = dataset.groups, standardised(small), hashes(small)
    nearest, distance = 0.0, codes.shape[1]
    for start in range(0, len(small), BLOCK):
        different = groups[start : start + BLOCK, None] != groups
        nearest = max(nearest, float((vectors[start : start + BLOCK] @ vectors.T)[different].max()))
        agreement = (codes[start : start + BLOCK] @ codes.T)[different].max()
        distance = min(distance, int((codes.shape[1] - agreement) / 2))
    _row(f"highest correlation of different images (limit {CORRELATION})", f"{nearest:.3f}")
    _row(f"smallest distance of their hashes (limit {HASH_DISTANCE} of 255 bits)", str(distance))
    pairs = near_pairs(small)
    wrong = int((groups[pairs[:, 0]] != groups[pairs[:, 1]]).sum())
    compared = len(groups) * (len(groups) - 1) // 2
    _row(f"pairs of different groups, of {compared:,} pairs, that count as duplicates", str(wrong))


def _changes(dataset: LoadedDataset, small: GreyImages) -> None:
    """Change some images and count those that are recognised."""
    rows = np.random.default_rng(0).choice(len(small), CHANGED, replace=False)
    images = dataset.pixels.array.gather(dataset.rows[rows])
    for words, change in _CHANGES.items():
        changed = np.stack([_thumbnail(change(Image.fromarray(image))) for image in images])
        pairs = near_pairs(small[rows], changed)
        found = int((pairs[:, 0] == pairs[:, 1]).sum())
        _row(f"recognised after {words}", f"{found / CHANGED:.1%}")


def _thumbnail(image: Image.Image) -> GreyImages:
    whole = image.convert("L").resize((224, 224), Image.Resampling.BILINEAR)
    return np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.BOX))


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def _gamma(image: Image.Image, exponent: float) -> Image.Image:
    return image.point([round((grey / 255) ** exponent * 255) for grey in range(256)])


def _without_border(image: Image.Image, share: float) -> Image.Image:
    cut = round(image.width * share)
    return image.crop((cut, cut, image.width - cut, image.height - cut))


_CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG at quality 10": lambda image: _jpeg(image, 10),
    "half the size": lambda image: image.resize((112, 112), Image.Resampling.BILINEAR),
    "gamma 0.7": lambda image: _gamma(image, 0.7),
    "gamma 1.4": lambda image: _gamma(image, 1.4),
    "inverting it": lambda image: image.point(lambda grey: 255 - grey),
    "cutting off a border of 1 %": lambda image: _without_border(image, 0.01),
    "cutting off a border of 2 %": lambda image: _without_border(image, 0.02),
    "rotating it by 1 degree": lambda image: image.rotate(1, Image.Resampling.BILINEAR),
}


def _negatives(small: GreyImages) -> None:
    """Count images wrongly found to be inverted, and invert each tenth image, one at a time."""
    _row(f"images wrongly found to be inverted (limit {NEGATIVE})", str(int(against_the_typical(small).sum())))
    rows = range(0, len(small), 10)
    found = 0
    for row in rows:
        inverted = small[row - row % 1000 : row - row % 1000 + 1000].copy()
        inverted[row % 1000] = 255 - inverted[row % 1000]
        found += bool(against_the_typical(inverted)[row % 1000])
    _row("inverted images found, one among 1,000", f"{found / len(rows):.1%}")


def _many(small: GreyImages) -> None:
    """Compare MANY images, each a mixture of two, with each other."""
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, len(small), (2, MANY))
    mixed = (small[first] // 2 + small[second] // 2).astype(np.uint8)
    with machine.watched_memory() as memory:
        start = time.perf_counter()
        near_pairs(mixed)
        seconds = time.perf_counter() - start
    _row(f"all pairs of {MANY:,} images", f"{seconds:.1f} s, {memory.peak / 1e9:.2f} GB at most")


if __name__ == "__main__":
    main()
