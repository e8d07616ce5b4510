"""How long does an audit take, what does it find that is not there, and what does it miss?

    python benchmarks/audit.py --data .../chest_xray

Without ``--data``, the images are those in ``$CXRBENCH_TEST_DATA/data/chest_xray``. Reported are the time of
`cxrbench data audit` with nothing cached; how near to each other images of different groups come, and how many of these pairs
count as one image; how many images that were changed on purpose are recognised; how many saved augmentations among all images
are found, and which pairs besides them; how many images are taken for negatives or for blank, and how many negatives are; and
the time and memory of comparing many images with each other, with what a plain comparison of all pairs finds.
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
    confirmed,
    hashes,
    near_pairs,
    standardised,
    thumbnails,
)
from cxrbench.data.audit.oddities import INVERTED, opposite_to_typical
from cxrbench.data.audit.transformed import FINE_SIDE, transformed_copies
from cxrbench.data.blank import SIDE, blank_images
from cxrbench.data.dataset import LoadedDataset, catalogue_images, load_dataset
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.source import find_dataset, read_images
from cxrbench.data.thumbnails import thumbnails_of
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    GreyImage = NDArray[np.uint8]

CHANGED = 300
AUGMENTED = 200
FILLS = ("constant", 0.0), ("constant", 255.0), ("nearest", 0.0)
"""What is beyond the border of an augmented image: black, white, or the pixels at its edge."""
MANY = 160_000
CHECKED = 20_000
"""Of them, compared with a plain comparison of all pairs."""
PLANTED = 2_000
MANY_TRANSFORMED = 20_000


def main() -> None:
    """Print a Markdown table, a row for each measure."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    stored = os.environ.get("CXRBENCH_TEST_DATA")
    arguments.add_argument("--data", default=stored and f"{stored}/data/chest_xray", required=not stored)
    data = arguments.parse_args().data
    print(f"{machine.describe()}\n\n| measure | result |\n|---|---|")
    with tempfile.TemporaryDirectory() as home:
        os.environ["CXRBENCH_HOME"] = home
        _row("`cxrbench data audit`, nothing cached", f"{_time_of_command(data):.1f} s")
        _row("the same with decoded images", f"{_time_of_command(data):.1f} s")
        dataset = _load(data)
        small = thumbnails(dataset)
        fine = thumbnails_of(dataset.pixels, dataset.rows, dataset.files, FINE_SIDE)
        _strangers(dataset, small, fine)
        _changes(dataset, small, fine)
        _augmented(dataset)
        _negatives(small)
    _many(small)
    _many_transformed(fine)


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


def _strangers(dataset: LoadedDataset, small: GreyImage, fine: GreyImage) -> None:
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
    pairs = confirmed(near_pairs(small), fine, fine)
    wrong = int((groups[pairs[:, 0]] != groups[pairs[:, 1]]).sum())
    compared = len(groups) * (len(groups) - 1) // 2
    _row(f"pairs of different groups, of {compared:,} pairs, that count as one image", str(wrong))


def _changes(dataset: LoadedDataset, small: GreyImage, fine: GreyImage) -> None:
    """Change some images and count those that are recognised."""
    rows = np.random.default_rng(0).choice(len(small), CHANGED, replace=False)
    images = dataset.pixels.array.gather(dataset.rows[rows])
    for words, change in _CHANGES.items():
        changed = [change(Image.fromarray(image)) for image in images]
        of_changed, fine_changed = (np.stack([_thumbnail(image, side) for image in changed]) for side in (SIDE, FINE_SIDE))
        pairs = confirmed(near_pairs(small[rows], of_changed), fine[rows], fine_changed)
        found = int((pairs[:, 0] == pairs[:, 1]).sum())
        _row(f"recognised after {words}", f"{found / CHANGED:.1%}")


def _thumbnail(image: Image.Image, side: int) -> GreyImage:
    whole = image.convert("L").resize((224, 224), Image.Resampling.BILINEAR)
    return np.asarray(whole.resize((side, side), Image.Resampling.BOX))


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
    "28 pixels": lambda image: image.resize((28, 28), Image.Resampling.BOX),
    "half the size": lambda image: image.resize((112, 112), Image.Resampling.BILINEAR),
    "gamma 0.7": lambda image: _gamma(image, 0.7),
    "gamma 1.4": lambda image: _gamma(image, 1.4),
    "turning it negative": lambda image: image.point(lambda grey: 255 - grey),
    "cutting off a border of 1 %": lambda image: _without_border(image, 0.01),
    "cutting off a border of 2 %": lambda image: _without_border(image, 0.02),
    "turning it by 1 degree": lambda image: image.rotate(1, Image.Resampling.BILINEAR),
}


def _augmented(dataset: LoadedDataset) -> None:
    """Put augmented copies among all images; count those that are found as what they are, and what else is found."""
    generator = np.random.default_rng(0)
    rows = generator.permutation(len(dataset.records))[: AUGMENTED * len(_AUGMENTATIONS)]
    images = dataset.pixels.array.gather(dataset.rows[rows])
    augmented = [
        _jpeg(Image.fromarray(_AUGMENTATIONS[number // AUGMENTED][1](image, generator, FILLS[number % len(FILLS)])), 95)
        for number, image in enumerate(images)
    ]
    originals = thumbnails_of(dataset.pixels, dataset.rows, dataset.files, FINE_SIDE)
    copies = np.stack([np.asarray(image.resize((FINE_SIDE, FINE_SIDE), Image.Resampling.BOX)) for image in augmented])
    source = np.concatenate([np.arange(len(originals)), rows])
    group, image = dataset.groups[source], dataset.image_groups[source]

    def wanted(pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
        one, other = pairs.T
        return (source[one] == source[other]) | ((group[one] != group[other]) & (image[one] != image[other]))

    found = transformed_copies(np.concatenate([originals, copies]), None, wanted)
    true = source[found.pairs[:, 0]] == source[found.pairs[:, 1]]
    for kind, (words, _) in enumerate(_AUGMENTATIONS):
        right = true & (found.pairs[:, 1] >= len(originals)) & (found.mirrored == (words == "mirrored")) & (found.quarters == 0)
        numbers = np.unique(found.pairs[right, 1]) - len(originals)
        _row(f"{AUGMENTED} images {words}: found", f"{(numbers // AUGMENTED == kind).sum() / AUGMENTED:.1%}")
    others = [(dataset.records[source[one]].key, dataset.records[source[two]].key) for one, two in found.pairs[~true]]
    _row("pairs of different images that count as transformed copies", "; ".join(map(str, others)) or "none")


def _moved(image: GreyImage, matrix: NDArray[np.float64], shift: NDArray[np.float64], fill: tuple[str, float]) -> GreyImage:
    from scipy.ndimage import affine_transform

    centre = (np.array(image.shape) - 1) / 2
    offset = centre - matrix @ (centre + shift)
    moved = affine_transform(image.astype(np.float32), matrix, offset, order=1, mode=fill[0], cval=fill[1])
    return np.asarray(moved.round().clip(0, 255), dtype=np.uint8)


def _mirrored(image: GreyImage, generator: np.random.Generator, fill: tuple[str, float]) -> GreyImage:
    return np.ascontiguousarray(image[:, ::-1])


def _turned(image: GreyImage, generator: np.random.Generator, fill: tuple[str, float]) -> GreyImage:
    angle = np.deg2rad(generator.uniform(-5, 5))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return _moved(image, matrix, np.zeros(2), fill)


def _shifted(image: GreyImage, generator: np.random.Generator, fill: tuple[str, float]) -> GreyImage:
    return _moved(image, np.eye(2), generator.uniform(-0.05, 0.05, 2) * image.shape, fill)


def _zoomed(image: GreyImage, generator: np.random.Generator, fill: tuple[str, float]) -> GreyImage:
    return _moved(image, np.eye(2) / generator.uniform(0.9, 1.1), np.zeros(2), fill)


_AUGMENTATIONS = (
    ("mirrored", _mirrored),
    ("turned by up to 5 degrees", _turned),
    ("shifted by up to 5 %", _shifted),
    ("zoomed by up to 10 %", _zoomed),
)


def _negatives(small: GreyImage) -> None:
    """Count images that are taken for negatives, and turn each tenth image negative, one at a time."""
    _row(f"images taken for negatives (limit {INVERTED})", str(int(opposite_to_typical(small).sum())))
    _row("images taken for blank", str(int(blank_images(small).sum())))
    rows = range(0, len(small), 10)
    found = 0
    for row in rows:
        turned = small[row - row % 1000 : row - row % 1000 + 1000].copy()
        turned[row % 1000] = 255 - turned[row % 1000]
        found += bool(opposite_to_typical(turned)[row % 1000])
    _row("negatives found, one among 1,000", f"{found / len(rows):.1%}")


def _many(small: GreyImage) -> None:
    """Compare many images, each a mixture of two, with each other; some are changed copies of others."""
    generator = np.random.default_rng(0)
    mixed = _mixed(small, MANY, generator)
    copied = generator.permutation(CHECKED)[: 2 * PLANTED].reshape(2, PLANTED)
    noise = generator.normal(0, 6, (PLANTED, SIDE, SIDE))
    mixed[copied[1]] = (mixed[copied[0]] * 0.8 + 20 + noise).clip(0, 255).astype(np.uint8)
    with machine.watched_memory() as memory:
        start = time.perf_counter()
        pairs = near_pairs(mixed)
        seconds = time.perf_counter() - start
    _row(f"near-duplicates among {MANY:,} images", f"{len(pairs):,} pairs, {seconds:.0f} s, {memory.peak / 1e9:.2f} GB at most")
    plain = _plain_pairs(mixed[:CHECKED])
    found = {tuple(pair) for pair in pairs.tolist()}
    share = sum(pair in found for pair in plain) / len(plain)
    _row(f"of the {len(plain):,} pairs that a plain comparison of {CHECKED:,} images finds", f"{share:.2%}")


def _mixed(small: GreyImage, count: int, generator: np.random.Generator) -> GreyImage:
    mixed = np.empty((count, *small.shape[1:]), dtype=np.uint8)
    for start in range(0, count, COMPARED_ROWS):
        rows = mixed[start : start + COMPARED_ROWS]
        one, other = generator.integers(0, len(small), (2, len(rows)))
        share = generator.uniform(0.3, 0.7, (len(rows), 1, 1))
        rows[:] = small[one] * share + small[other] * (1 - share)
    return mixed


def _plain_pairs(small: GreyImage) -> list[tuple[int, int]]:
    """Compare all pairs of hashes bit by bit, and the images of similar hashes."""
    bits = np.packbits(hashes(small) > 0, axis=1).view(np.uint64)
    vectors, pairs = standardised(small), []
    for row in range(len(small) - 1):
        different = np.bitwise_count(bits[row] ^ bits[row + 1 :]).sum(axis=1, dtype=np.int64)
        near = np.flatnonzero(np.minimum(different, 255 - different) <= HASH_DISTANCE) + row + 1
        pairs += [(row, int(other)) for other in near[np.abs(vectors[near] @ vectors[row]) >= CORRELATION]]
    return pairs


def _many_transformed(fine: GreyImage) -> None:
    mixed = _mixed(fine, MANY_TRANSFORMED, np.random.default_rng(0))
    with machine.watched_memory() as memory:
        start, processor = time.perf_counter(), time.process_time()
        transformed_copies(mixed, None, lambda pairs: np.ones(len(pairs), dtype=bool))
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    result = f"{seconds:.0f} s ({processor:.0f} s of processors), {memory.peak / 1e9:.2f} GB at most"
    _row(f"transformed copies among {MANY_TRANSFORMED:,} images", result)


if __name__ == "__main__":
    main()
