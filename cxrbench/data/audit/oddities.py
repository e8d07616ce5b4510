"""Find files unlike the others: 16-bit, negative, in colour, tiny or of an extreme shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.findings import Finding, examples
from cxrbench.data.audit.near import standardised
from cxrbench.data.groups import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset

EXTREME_ASPECT = 3.0
"""Longer side by shorter side; 80 films of Kermany et al. at their original size reach 2.2."""
ENLARGEMENT = 2
"""A film is tiny if its shorter side must grow more than this many times."""
NEGATIVE = -0.2
"""Correlation with the typical film below which a film is a negative. The 5,216 films of Kermany et al. have 0.20 to 0.98,
half of them above 0.85, their negatives so much below 0; thumbnails of nothing but noise stay between -0.15 and 0.15."""
TYPICAL = 0.5
"""Correlation with the typical film that half of the films must reach, or else there is none."""
MINIMUM_FILMS = 20
SAMPLED = 2000
"""Films that the typical one is the median of."""


def odd_files(dataset: LoadedDataset, small: NDArray[np.uint8]) -> Iterator[Finding]:
    """Find odd files; what most files are is not odd.

    Args:
        dataset: images and what is known of their files.
        small: their thumbnails.
    """
    files = dataset.files
    shortest = np.array([min(file.width, file.height) for file in files])
    size = dataset.pixels.size
    for odd, words in (
        (np.array([file.bits > 8 for file in files]), "have more than 8 bits a pixel, scaled to 8 between black and white"),
        (negatives(dataset, small), "look like negatives (bone black, air white)"),
        (np.array([file.colour for file in files]), "are in colour, of which the grey is used"),
        (shortest * ENLARGEMENT < size, f"are tiny: a side of less than {-(-size // ENLARGEMENT)} pixels, enlarged to {size}"),
        (np.array([file.aspect > EXTREME_ASPECT for file in files]), f"are more than {EXTREME_ASPECT:g} times as long as wide"),
    ):
        rows = np.flatnonzero(odd)
        if 0 < len(rows) <= len(files) / 2:
            message = f"{len(rows):,} of {len(files):,} files {words}"
            yield Finding(
                check="odd-file", severity="warning", count=len(rows), message=message, examples=examples(dataset, rows)
            )


def negatives(dataset: LoadedDataset, small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which films are the negatives of what is typical of their view, bool ``[rows]``."""
    view = numbered([record.view or "" for record in dataset.records])
    found = np.zeros(len(small), dtype=bool)
    for number in range(view.max(initial=-1) + 1):
        rows = np.flatnonzero(view == number)
        if len(rows) >= MINIMUM_FILMS:
            found[rows] = against_the_typical(small[rows])
    return found


def against_the_typical(small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which thumbnails are the negatives of the typical one, their median pixel by pixel, bool ``[rows]``."""
    vectors = standardised(small)
    typical = np.median(vectors[:: -(-len(vectors) // SAMPLED)], axis=0)
    typical -= typical.mean()
    correlation = vectors @ (typical / max(float(np.linalg.norm(typical)), 1e-9))
    return np.asarray((correlation < NEGATIVE) & (np.median(correlation) >= TYPICAL))
