"""The exact map of a backbone whose features are the mean of its last feature maps. It needs no gradient.

With feature maps ``A``, features ``f`` = mean of ``A`` over its places, hidden units ``h = relu(f W1 + b1)`` and the logit
``z = h w2 + b2``, every place has the same gradient: ``g = W1 (w2 * [h > 0])``, over the number of places. So the map
``M(x, y) = A(x, y) g / places`` plus ``c = b2 + sum of w2 b1 over the active units`` is the logit. The map equals Grad-CAM
before its ReLU (Selvaraju et al., ICCV 2017), HiResCAM (Draelos and Carin, arXiv 2011.08891) and, with one linear layer, CAM
(Zhou et al., CVPR 2016).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.models.training.head_weights import HeadWeights

    Floats = NDArray[np.float64]

NEAR_ZERO = 0.01
"""A hidden unit is near zero if its input is smaller than this share of the root mean square of all inputs of the image."""


def exact_maps(head: HeadWeights, maps: NDArray[np.float32]) -> Floats:
    """Return the share of each place in the logit, feature maps ``[n, h, w, D]`` to float64 ``[n, h, w]`` in logits."""
    hidden_kernel, _, output_kernel, _ = head
    active = hidden_inputs(head, maps) > 0
    gradients = (active * output_kernel[:, 0].astype(np.float64)) @ hidden_kernel.astype(np.float64).T
    return np.asarray(np.einsum("nhwd,nd->nhw", maps, gradients) / (maps.shape[1] * maps.shape[2]))


def constants(head: HeadWeights, maps: NDArray[np.float32]) -> Floats:
    """Return the part of each logit that no place explains, ``[n]``: the biases of output and active hidden units."""
    _, hidden_bias, output_kernel, output_bias = head
    active = hidden_inputs(head, maps) > 0
    return np.asarray(output_bias[0] + active @ (output_kernel[:, 0].astype(np.float64) * hidden_bias))


def near_zero(head: HeadWeights, maps: NDArray[np.float32]) -> Floats:
    """Return the share of hidden units near zero for each image, ``[n]``. A small change switches them, and the map jumps."""
    inputs = hidden_inputs(head, maps)
    scale = np.sqrt(np.mean(np.square(inputs), axis=1, keepdims=True))
    return np.asarray(np.mean(np.abs(inputs) <= NEAR_ZERO * scale, axis=1))


def hidden_inputs(head: HeadWeights, maps: NDArray[np.float32]) -> Floats:
    """Return the inputs of the hidden units' ReLU, feature maps ``[n, h, w, D]`` to float64 ``[n, units]``."""
    features = maps.mean(axis=(1, 2), dtype=np.float64)
    return np.asarray(features @ head[0].astype(np.float64) + head[1])
