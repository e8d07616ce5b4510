"""What the trainer asks of the rows that a network learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]


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
