"""Grad-CAM (Selvaraju et al., ICCV 2017), with gradients by TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from cxrbench.models.training.head_weights import HeadWeights


def grad_cam(tail: tuple[Callable[[Any], Any], ...], head: HeadWeights, maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return Grad-CAM of the logit before its ReLU, feature maps ``[n, h, w, D]`` to float64 ``[n, h, w]``.

    Equations 1 and 2: the maps, weighted by the mean of the logit's gradient over the places.

    Args:
        tail: the operations from the maps to the features.
        head: follows them.
        maps: of each image.

    Raises:
        ConfigError: Keras runs with another backend than TensorFlow.
    """
    from cxrbench.models.backend import gradients_at_maps

    weights = gradients_at_maps(tail, head, maps).mean(axis=(1, 2), dtype=np.float64)
    return np.asarray(np.einsum("nhwd,nd->nhw", maps, weights))
