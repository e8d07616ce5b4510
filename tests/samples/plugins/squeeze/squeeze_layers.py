"""The layers of the plugin beside it."""


def fire(images, kernels, pooling):
    """Squeeze images ``[B, H, W, C]`` to 8 x 8 pixels, and expand each to as many features as there are kernels."""
    import numpy as np

    side = images.shape[1] // 8
    small = images[:, : 8 * side, : 8 * side, 0].reshape(len(images), 8, side, 8, side)
    pooled = small.mean(axis=(2, 4)) if pooling == "mean" else small.max(axis=(2, 4))
    return np.maximum(pooled.reshape(len(images), 64) @ kernels.T / 255, 0).astype(np.float32)
