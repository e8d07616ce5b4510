"""Train one head with early stopping on the validation loss and keep its best epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxrbench.execution.failures import NotFinite
from cxrbench.models.training.configuration import SCORED_AT_ONCE
from cxrbench.models.training.head import Head, head_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.models.training.configuration import TrainingConfiguration
    from cxrbench.models.training.rows import TrainingRows
    from cxrbench.storage.sharded_array import ShardedArray


class TrainingFailed(NotFinite):
    """Training gave no usable head."""


AfterEpoch = Callable[[Head, NDArray[np.float64]], None]
"""Called after each epoch with the head, which it must not change, and the logits of the validation images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The result of training.

    Attributes:
        losses: validation cross-entropy of each epoch.
        best_epoch: the epoch that was kept, from 0.
        scores: float64 ``[n]``, validation scores of the best epoch.
        pruned: whether training stopped at a cut-off.
        head: holds the weights of the best epoch until this process trains the next head.
    """

    losses: tuple[float, ...]
    best_epoch: int
    scores: NDArray[np.float64]
    head: Head
    pruned: bool


def fit_head(
    rows: TrainingRows,
    validation: tuple[NDArray[np.int64], NDArray[np.int64]],
    configuration: TrainingConfiguration,
    *,
    learning_rate: float,
    dropout: float,
    seed: int,
    cut_offs: Sequence[float] = (),
    after_epoch: AfterEpoch | None = None,
) -> Fit:
    """Train a head from new weights.

    An epoch with a validation loss that is not finite ends the training, like early stopping. The best epoch before it is kept.

    Args:
        rows: the training rows.
        validation: images and their labels; scored on the clean view after each epoch.
        configuration: epochs, batch size and patience.
        learning_rate: Adam's.
        dropout: probability in 0..1.
        seed: of weights, row order, views and dropout.
        cut_offs: of the first epochs; training is pruned if the best validation loss so far exceeds the epoch's cut-off.
        after_epoch: called after each epoch.

    Raises:
        TrainingFailed: the validation loss was not finite after the first epoch.
    """
    head = head_for(rows.synthetic.shape[1], rows.loss, configuration.batch_size)
    head.reset(seed=seed, learning_rate=learning_rate, dropout=dropout)
    generator = np.random.default_rng(seed)
    images, labels = validation
    losses: list[float] = []
    best_epoch, best_weights, best_logits, pruned = -1, head.weights(), np.empty(0), False
    for epoch in range(configuration.epochs):
        for block in rows.epoch(generator, configuration.batch_size):
            head.train(*block)
        logits = head_logits(head, rows.views[0], images, configuration.scored_at_once)
        losses.append(mean_cross_entropy(labels, logits))
        if after_epoch:
            after_epoch(head, logits)
        if np.isfinite(losses[-1]) and (best_epoch < 0 or losses[-1] < losses[best_epoch]):
            best_epoch, best_weights, best_logits = epoch, head.weights(), logits
        elif not np.isfinite(losses[-1]) or epoch - best_epoch >= configuration.patience:
            break
        if epoch < len(cut_offs) and losses[best_epoch] > cut_offs[epoch]:
            pruned = True
            break
    if best_epoch < 0:
        raise TrainingFailed(f"the validation loss was {losses[0]} after the first epoch (learning rate {learning_rate:.2g})")
    head.set_weights(best_weights)
    finite = tuple(loss for loss in losses if np.isfinite(loss))
    return Fit(losses=finite, best_epoch=best_epoch, scores=sigmoid(best_logits), head=head, pruned=pruned)


def head_logits(
    head: Head, view: ShardedArray, images: NDArray[np.int64], at_once: int = SCORED_AT_ONCE
) -> NDArray[np.float64]:
    """Return the head's logit for each image, reading its features block by block."""
    blocks = range(0, len(images), at_once)
    return np.concatenate([head.logits(view.gather(images[start : start + at_once])) for start in blocks])


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores in 0..1, in float64 so that extreme scores do not become ties."""
    from scipy.special import expit

    return np.asarray(expit(logits))


def mean_cross_entropy(labels: NDArray[np.int64], logits: NDArray[np.float64]) -> float:
    """Return the mean cross-entropy of logits, not finite for a head that diverged."""
    with np.errstate(over="ignore", invalid="ignore"):  # a head that diverges is a failed trial, not a warning
        return float(np.mean(np.logaddexp(0, logits) - labels * logits))
