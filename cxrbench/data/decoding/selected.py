"""Decoded images of some rows as an array of their own, so that what is computed of them covers no others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cxrbench.storage.files import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.data.decoding.pixels import Pixels


def selected_pixels(pixels: Pixels, rows: NDArray[np.int64]) -> Pixels:
    """Return the decoded images of ascending rows, in that order; what is missing on disk is copied.

    Row number k of the result is ``rows[k]`` of the original. If all rows are selected, the original is returned.
    """
    if len(rows) == pixels.rows:
        return pixels
    selected = replace(pixels, rows=len(rows), digest=digest([pixels.digest, "rows", rows.tolist()]))
    array = selected.array
    for shard in array.missing():
        first, last = array.bounds(shard)
        with array.writing(shard) as is_missing:
            if is_missing:
                array.write(shard, [pixels.array.gather(rows[first:last])])
    return selected
