"""What the steps and the trainer ask of a network that learns, and of the rows that it learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.models.fine_tuning.network_file import NetworkWeights
    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]


class LearningNetwork(Protocol):
    """A network with a head.

    Attributes:
        training: the `keras.Model`, (images ``[n, size, size, 1]`` or maps, noise ``[n, UNITS]``) to logits ``[n, 1]``.
        learning: variables that follow a gradient.
        statistics: variables of floats that a call updates. They are averaged, and a part of the network's weights.
        other_state: further variables that a call updates.
    """

    training: Any
    learning: Sequence[Any]
    statistics: Sequence[Any]
    other_state: Sequence[Any]

    def __hash__(self) -> int:
        """Return a number; each network equals itself alone."""

    def call(self, images: Any, noise: Any) -> Any:
        """Return the logits that the loss is computed from."""

    def set_dropout(self, rate: float) -> None:
        """Set the probability that a hidden unit of the head is dropped."""

    def set_seed(self, seed: int) -> None:
        """Set what the backbone's random layers draw from."""

    def shares(self, layer_decay: float) -> tuple[float, ...]:
        """Return the share of the learning rate of each variable in `learning`."""

    def logits(self, weights: Sequence[Array], images: NDArray[Any]) -> NDArray[np.float64]:
        """Return one logit per grey image, uint8 ``[n, size, size]``, or row of maps, with these values of the weights."""

    def whole(self, weights: Sequence[Array]) -> NetworkWeights:
        """Return all weights of the network, if `learning` and `statistics` had these values."""

    def weights_of(self, whole: NetworkWeights) -> list[Array]:
        """Return the values of `learning` and `statistics` in a whole network."""

    def logits_of_rows(self, weights: Sequence[Array], images: ShardedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one logit per row of an array of images."""


class LearningRows(Protocol):
    """What a network learns from and is validated on: images, or maps of them."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Training images as the imbalance strategy chose them, int ``[m]``."""

    @property
    def labels(self) -> Array:
        """Their labels, float32 ``[m]``."""

    @property
    def weights(self) -> Array:
        """Their weights, float32 ``[m]``."""

    @property
    def validation(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the validation images, and their labels."""

    @property
    def followed(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and labels of training images whose loss is measured after each epoch."""

    @property
    def clean(self) -> ShardedArray:
        """The images as they are, or their maps."""

    def inputs(self, seed: int, epoch: int, batch: int) -> Callable[[NDArray[np.int64]], Array]:
        """Return a function of numbers in `rows` to what the network gets for them in this epoch, float32, called in order."""
