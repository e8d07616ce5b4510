"""A one-file plugin: a random matrix from 32 x 32 grey images to 1,024 features, so cheap that only overhead is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrbench import Backbone, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 1024


@hookimpl
def register_backbones() -> list[Backbone]:
    """Declare the backbone."""
    return [Backbone(name="projection", factory=f"{__name__}:build")]


def build(*, input_shape: tuple[int, int, int], weights: str, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the projection."""
    del weights
    height, width, _ = input_shape
    kernel = np.random.default_rng(seed).normal(0, 1 / np.sqrt(height * width), (height * width, WIDTH)).astype(np.float32)
    return lambda images: np.maximum((images[..., 0].reshape(len(images), -1) / 255 - 0.5) @ kernel, 0)
