"""What the steps and the trainer ask of a network that learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.models.fine_tuning.network_file import NetworkWeights
    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]


class LearningNetwork(Protocol):
    """A network with a head.

    Attributes:
        training: the `keras.Model`, (images ``[n, size, size, 1]``, noise ``[n, UNITS]``) to logits ``[n, 1]``.
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

    def average_over(self, step: Any) -> Any:
        """Return the number of latest steps that the average covers, about, after so many steps."""

    def set_dropout(self, rate: float) -> None:
        """Set the probability that a hidden unit of the head is dropped."""

    def set_seed(self, seed: int) -> None:
        """Set what the backbone's random layers draw from."""

    def shares(self, layer_decay: float) -> tuple[float, ...]:
        """Return the share of the learning rate of each variable in `learning`."""

    def logits(self, weights: Sequence[Array], images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return one logit per grey image, uint8 ``[n, size, size]``, as if `learning` and `statistics` had these values."""

    def whole(self, weights: Sequence[Array]) -> NetworkWeights:
        """Return all weights of the network, if `learning` and `statistics` had these values."""

    def weights_of(self, whole: NetworkWeights) -> list[Array]:
        """Return the values of `learning` and `statistics` in a whole network."""

    def logits_of_rows(self, weights: Sequence[Array], images: ShardedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one logit per row of an array of images."""
