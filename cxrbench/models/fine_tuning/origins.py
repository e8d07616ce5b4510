"""What the training of a network starts from: the heads that were selected for its backbone, or random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.models.features.frozen_backbone import FrozenBackbone
    from cxrbench.models.fine_tuning.checkpoint import Progress
    from cxrbench.models.fine_tuning.network import Network
    from cxrbench.models.fine_tuning.trainer import Setting, Training
    from cxrbench.models.training.head_weights import HeadWeights

    Build = Callable[[FrozenBackbone], Network]


class Origin(Protocol):
    """What a training starts from. Picklable."""

    @property
    def build(self) -> Build:
        """What builds the network that learns on a backbone."""

    @property
    def build_to_score(self) -> Build:
        """What builds the network that scores images, with any weights."""

    def start(self, backbone: FrozenBackbone, repeat: int, seed: int) -> list[NDArray[np.float32]]:
        """Return the weights that a repeat of a training starts from."""

    def train(self, training: Training, setting: Setting) -> Progress:
        """Train, or go on with a training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedHeads:
    """The pretrained backbone, and the head of each seed.

    Attributes:
        heads: the selected ones.
        where: the backbone is cut, as `cut` takes it; what is below stays as it is. None to train all of it.
    """

    heads: tuple[HeadWeights, ...]
    where: float | str | None = None

    @property
    def build(self) -> Build:
        """What builds a network whose normalisation stays as it is, on images or on the maps at the cut."""
        return self._build

    @property
    def _build(self) -> Callable[[FrozenBackbone], Network]:
        return network_to_fine_tune if self.where is None else partial(network_above, where=self.where)

    @property
    def build_to_score(self) -> Build:
        """What builds the same network on images."""
        return network_to_fine_tune

    def start(self, backbone: FrozenBackbone, repeat: int, seed: int) -> list[NDArray[np.float32]]:
        """Return the pretrained weights with the head of a seed."""
        del seed
        return self._build(backbone).weights_with(self.heads[repeat])

    def train(self, training: Training, setting: Setting) -> Progress:
        """Train with the head itself as epoch zero."""
        from cxrbench.models.fine_tuning.trainer import fine_tune

        return fine_tune(training, setting)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomWeights:
    """A backbone as its plugin draws it from the seed of the training, and a random head."""

    @property
    def build(self) -> Build:
        """What builds a network whose normalisation learns."""
        return network_from_scratch

    @property
    def build_to_score(self) -> Build:
        """What builds the same network."""
        return network_from_scratch

    def start(self, backbone: FrozenBackbone, repeat: int, seed: int) -> list[NDArray[np.float32]]:
        """Return weights that depend on the seed alone."""
        del repeat
        from cxrbench.models.fine_tuning.network import random_network

        return network_from_scratch(backbone).weights_of(random_network(replace(backbone, seed=seed).build_anew(), seed))

    def train(self, training: Training, setting: Setting) -> Progress:
        """Train until the best of the trained epochs is known."""
        from cxrbench.models.fine_tuning.trainer import train_from_scratch

        return train_from_scratch(training, setting)


@lru_cache(maxsize=1)
def network_to_fine_tune(backbone: FrozenBackbone) -> Network:
    """Return this process's network on a backbone of its own, whose weights are those of the last training."""
    from cxrbench.models.fine_tuning.network import network_on_images

    return network_on_images(backbone.build_anew(), backbone.size)


@lru_cache(maxsize=1)
def network_above(backbone: FrozenBackbone, where: float | str) -> Network:
    """Return this process's network that learns above a cut, likewise."""
    from cxrbench.models.fine_tuning.cut import cut
    from cxrbench.models.fine_tuning.network import network_on_maps

    return network_on_maps(cut(backbone.build_anew(), backbone.size, where))


@lru_cache(maxsize=1)
def network_from_scratch(backbone: FrozenBackbone) -> Network:
    """Return this process's network that learns from random weights, likewise."""
    from cxrbench.models.fine_tuning.network import network_in_training_mode

    return network_in_training_mode(backbone.build_anew(), backbone.size)
