"""Learning curves: loss and accuracy on training and validation images after each epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.models.training.head import Head
    from cxrbench.models.training.jobs import HeadJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Values after each epoch of a training, of the head as it would be used: without dropout, augmentation and balancing.

    Attributes:
        train_loss, validation_loss: mean cross-entropy.
        train_accuracy, validation_accuracy: at a score of 0.5.
    """

    train_loss: tuple[float, ...] = ()
    train_accuracy: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    validation_accuracy: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveRecorder:
    """Records the curves of one training."""

    job: HeadJob
    epochs: list[tuple[float, float, float, float]] = field(default_factory=list)

    def after_epoch(self, head: Head, validation_logits: NDArray[np.float64]) -> None:
        """Record an epoch, unless its loss is not finite, which ends the training."""
        from cxrbench.models.training.trainer import head_logits

        images, labels = self.job.train
        logits = head_logits(head, self.job.views[0], images, self.job.configuration.scored_at_once)
        values = (*_loss_and_accuracy(labels, logits), *_loss_and_accuracy(self.job.validation[1], validation_logits))
        if np.isfinite(values).all():
            self.epochs.append(values)

    @property
    def curves(self) -> Curves:
        """The curves of all recorded epochs."""
        columns = [tuple(one[column] for one in self.epochs) for column in range(4)]
        return Curves(
            train_loss=columns[0], train_accuracy=columns[1], validation_loss=columns[2], validation_accuracy=columns[3]
        )


def _loss_and_accuracy(labels: NDArray[np.int64], logits: NDArray[np.float64]) -> tuple[float, float]:
    from cxrbench.models.training.trainer import mean_cross_entropy

    return mean_cross_entropy(labels, logits), float(np.mean((logits >= 0) == (labels == 1)))
