"""An augmentation that is drawn from another seed in each epoch, compiled once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cxrbench.models.features.extraction import as_augmentation
from cxrbench.models.features.frozen_backbone import is_model_of_keras

if TYPE_CHECKING:
    from cxrbench.config.part import Part
    from cxrbench.data.batches import ImageBatches
    from cxrbench.plugin.specs import Augmentation


def drawn_from(part: Part[Augmentation], seed: int, shape: tuple[int, ...]) -> ImageBatches:
    """Return an augmentation as a function of images of `shape` that draws random numbers from a seed, new ones at each call.

    Layers of Keras are compiled once, and get new seeds: each compilation stays in memory. All else is built anew.
    """
    built, call = _compiled(part, shape)
    if is_model_of_keras(built):
        from cxrbench.models.fine_tuning.layers import random_states, set_states

        if states := random_states(built):
            set_states(states, seed)
            return call
    return as_augmentation(part.build(input_shape=shape[1:], seed=seed), shape)


@lru_cache(maxsize=1)
def _compiled(part: Part[Augmentation], shape: tuple[int, ...]) -> tuple[Any, ImageBatches]:
    built = part.build(input_shape=shape[1:], seed=0)
    return built, as_augmentation(built, shape)
