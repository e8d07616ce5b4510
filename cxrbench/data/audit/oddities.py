"""Find files that show nothing or are unlike the others: 16-bit, inverted, in colour, tiny or of an extreme shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.findings import Finding, examples
from cxrbench.data.audit.near import standardised
from cxrbench.data.blank import blank_images
from cxrbench.data.groups import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset

EXTREME_ASPECT = 3.0
"""Longer side / shorter side; 80 images of Kermany et al. at their original size reach 2.2."""
ENLARGEMENT = 2
"""An image is tiny if its shorter side is enlarged more than this many times."""
INVERTED = -0.2
"""An image is inverted if its correlation with the typical image is lower. The 5,216 images of Kermany et al. have 0.20 to
0.98, half of them above 0.85, and inverted the same below 0; thumbnails of pure noise stay between -0.15 and 0.15."""
TYPICAL = 0.5
"""Half of the images must correlate this much with the typical image; otherwise there is no typical image."""
MINIMUM_IMAGES = 20
SAMPLED_IMAGES = 2000
"""Images whose median is the typical image, and that are compared with it at once; bounds the memory."""


def odd_files(dataset: LoadedDataset, small: NDArray[np.uint8]) -> Iterator[Finding]:
    """Find odd files; a property of most files is not odd.

    Args:
        dataset: images and properties of their files.
        small: their thumbnails.
    """
    files = dataset.files
    shortest = np.array([file.shortest_side for file in files])
    size = dataset.pixels.size
    for odd, text in (
        (np.array([file.is_deep for file in files]), "have more than 8 bits per pixel and are scaled to 8"),
        (inverted_images(dataset, small), "look inverted (bone black, air white)"),
        (np.array([file.colour for file in files]), "are in colour and are converted to grey"),
        (
            shortest * ENLARGEMENT < size,
            f"are tiny: one side has fewer than {-(-size // ENLARGEMENT)} pixels and is enlarged to {size}",
        ),
        (np.array([file.aspect > EXTREME_ASPECT for file in files]), f"are more than {EXTREME_ASPECT:g} times as long as wide"),
    ):
        rows = np.flatnonzero(odd)
        if 0 < len(rows) <= len(files) / 2:
            message = f"{len(rows):,} of {len(files):,} files {text}"
            yield Finding(
                check="odd-file", severity="warning", count=len(rows), message=message, examples=examples(dataset, rows)
            )


def blank_findings(dataset: LoadedDataset, blank: NDArray[np.bool_]) -> Iterator[Finding]:
    """Find images that show nothing."""
    if len(rows := np.flatnonzero(blank)):
        message = (
            f"{len(rows):,} of {len(blank):,} images show nothing: they are empty, of one grey level or of a few flat areas; "
            "remove them"
        )
        yield Finding(check="blank", severity="warning", count=len(rows), message=message, examples=examples(dataset, rows))


def inverted_images(dataset: LoadedDataset, small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which images are inverted compared with the typical image of their view, bool ``[rows]``."""
    view = numbered([record.view or "" for record in dataset.records])
    inverted = np.zeros(len(small), dtype=bool)
    for number in range(view.max(initial=-1) + 1):
        rows = np.flatnonzero(view == number)
        if len(rows) >= MINIMUM_IMAGES:
            inverted[rows] = opposite_to_typical(small[rows])
    inverted[inverted] = ~blank_images(small[inverted])
    return inverted


def opposite_to_typical(small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which thumbnails are inverted compared with their pixel-wise median, bool ``[rows]``."""
    typical = np.median(standardised(small[:: -(-len(small) // SAMPLED_IMAGES)]), axis=0)
    typical -= typical.mean()
    typical /= max(float(np.linalg.norm(typical)), 1e-9)
    blocks = range(0, len(small), SAMPLED_IMAGES)
    correlation = np.concatenate([standardised(small[start : start + SAMPLED_IMAGES]) @ typical for start in blocks])
    return np.asarray((correlation < INVERTED) & (np.median(correlation) >= TYPICAL))
