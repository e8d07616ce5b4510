"""Occlusion (Zeiler and Fergus, ECCV 2014): cover one patch after the other and see how far the logit falls.

Works for every backbone that can be called, at the cost of one call per patch. The patches form a grid that covers the image
without overlap, and are filled with the mean grey of the image. The drops of the patches do not add up to the logit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench.models.training.head_weights import logits_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.data.batches import ImageBatches
    from cxrbench.models.training.head_weights import HeadWeights

GRID = 7
"""Patches along each side, as many as most backbones have cells at 224 pixels: a patch has 32 x 32 pixels there."""


def covered_features(run: ImageBatches, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the features of each image and then of its covered copies, uint8 ``[n, s, s]`` to float32 ``[n, 1 + 49, D]``."""
    return np.stack([np.asarray(run(_with_covered(image)), dtype=np.float32) for image in images])


def drops(head: HeadWeights, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far the logit falls when each patch is covered, `covered_features` to float64 ``[n, 7, 7]`` in logits."""
    logits = logits_of(head, features.reshape(-1, features.shape[-1])).reshape(features.shape[:2])
    return np.asarray((logits[:, :1] - logits[:, 1:]).reshape(-1, GRID, GRID))


def _with_covered(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return an image and its covered copies, row by row, float32 ``[1 + 49, s, s, 1]``."""
    edges = np.linspace(0, len(image), GRID + 1).round().astype(np.int64)
    images = np.repeat(image[None, :, :, None].astype(np.float32), 1 + GRID * GRID, axis=0)
    for patch in range(GRID * GRID):
        row, column = divmod(patch, GRID)
        images[1 + patch, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = image.mean()
    return images
