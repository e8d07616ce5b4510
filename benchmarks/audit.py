"""How long does an audit take, what does it find that is not there, and what does it miss?

    python benchmarks/audit.py --data .../chest_xray

Reported are the time of `cxrbench data audit` with nothing cached; how near to each other images of different groups come, and
how many of these pairs count as one image; how many images that were changed on purpose are recognised; how many images are
taken for negatives, and how many negatives are; and the time and memory of comparing 30,000 images with each other.
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

from cxrbench.data.audit.near import (
    COMPARED_ROWS,
    CORRELATION,
    HASH_DISTANCE,
    SIDE,
    hashes,
    near_pairs,
    standardised,
    thumbnails,
)
from cxrbench.data.audit.oddities import INVERTED, opposite_to_typical
from cxrbench.data.dataset import LoadedDataset, catalogue_images, load_dataset
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.source import find_dataset, read_images
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    GreyImage = NDArray[np.uint8]

CHANGED = 300
MANY = 30_000


def main() -> None:
    """Print a Markdown table, a row for each measure."""
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
        _strangers(dataset, small)
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


def _strangers(dataset: LoadedDataset, small: GreyImage) -> None:
    """Compare all images of different groups."""
    groups, vectors, codes = dataset.groups, standardised(small), hashes(small)
    nearest, distance = 0.0, codes.shape[1]
    for start in range(0, len(small), COMPARED_ROWS):
        strangers = groups[start : start + COMPARED_ROWS, None] != groups
        nearest = max(nearest, float((vectors[start : start + COMPARED_ROWS] @ vectors.T)[strangers].max()))
        agreement = (codes[start : start + COMPARED_ROWS] @ codes.T)[strangers].max()
        distance = min(distance, int((codes.shape[1] - agreement) / 2))
    _row(f"highest correlation of different images (limit {CORRELATION})", f"{nearest:.3f}")
    _row(f"least distance of their hashes (limit {HASH_DISTANCE} of 255 bits)", str(distance))
    pairs = near_pairs(small)
    wrong = int((groups[pairs[:, 0]] != groups[pairs[:, 1]]).sum())
    compared = len(groups) * (len(groups) - 1) // 2
    _row(f"pairs of different groups, of {compared:,} pairs, that count as one image", str(wrong))


def _changes(dataset: LoadedDataset, small: GreyImage) -> None:
    """Change some images and count those that are recognised."""
    rows = np.random.default_rng(0).choice(len(small), CHANGED, replace=False)
    images = dataset.pixels.array.gather(dataset.rows[rows])
    for words, change in _CHANGES.items():
        changed = np.stack([_thumbnail(change(Image.fromarray(image))) for image in images])
        pairs = near_pairs(small[rows], changed)
        found = int((pairs[:, 0] == pairs[:, 1]).sum())
        _row(f"recognised after {words}", f"{found / CHANGED:.1%}")


def _thumbnail(image: Image.Image) -> GreyImage:
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
    "turning it negative": lambda image: image.point(lambda grey: 255 - grey),
    "cutting off a border of 1 %": lambda image: _without_border(image, 0.01),
    "cutting off a border of 2 %": lambda image: _without_border(image, 0.02),
    "turning it by 1 degree": lambda image: image.rotate(1, Image.Resampling.BILINEAR),
}


def _negatives(small: GreyImage) -> None:
    """Count images that are taken for negatives, and turn each tenth image negative, one at a time."""
    _row(f"images taken for negatives (limit {INVERTED})", str(int(opposite_to_typical(small).sum())))
    rows = range(0, len(small), 10)
    found = 0
    for row in rows:
        turned = small[row - row % 1000 : row - row % 1000 + 1000].copy()
        turned[row % 1000] = 255 - turned[row % 1000]
        found += bool(opposite_to_typical(turned)[row % 1000])
    _row("negatives found, one among 1,000", f"{found / len(rows):.1%}")


def _many(small: GreyImage) -> None:
    """Compare as many images, each a mixture of two, with each other."""
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, len(small), (2, MANY))
    mixed = (small[one] // 2 + small[other] // 2).astype(np.uint8)
    with machine.watched_memory() as memory:
        start = time.perf_counter()
        near_pairs(mixed)
        seconds = time.perf_counter() - start
    _row(f"all pairs of {MANY:,} images", f"{seconds:.1f} s, {memory.peak / 1e9:.2f} GB at most")


if __name__ == "__main__":
    main()
