"""Training rows of a head: the training fold after the imbalance strategy, in views drawn at random for each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import PluginError
from cxrbench.execution.failures import NotFinite
from cxrbench.plugin.contracts import Balance, Loss
from cxrbench.storage.safe_text import as_line, without_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cxrbench.storage.sharded_array import ShardedArray

BLOCK_VALUES = 2**21
"""Feature values in memory at once: 8 MB for any width."""

LONGEST_NOTE = 300

EpochBlock = tuple["NDArray[np.float32]", "NDArray[np.float32]", "NDArray[np.float32]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """The rows of one epoch.

    Attributes:
        views: the clean view and then the augmented ones.
        rows: int ``[m]``, images of the dataset; an image may occur several times.
        synthetic: float32 ``[s, D]``.
        labels, weights: float32 ``[m + s]``, for the images and then the synthetic rows.
        loss: the training loss that the strategy chose.
        note: the strategy's warning in one line, with its name, or an empty string.
    """

    views: tuple[ShardedArray, ...]
    rows: NDArray[np.int64]
    synthetic: NDArray[np.float32]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    loss: Loss
    note: str = ""

    def epoch(self, generator: np.random.Generator, batch_size: int) -> Iterator[EpochBlock]:
        """Yield (features, labels, weights) of all rows in random order, each image in a random view."""
        order = generator.permutation(len(self.labels))
        view = generator.integers(len(self.views), size=len(self.rows))
        rows = max(1, BLOCK_VALUES // (batch_size * self.synthetic.shape[1])) * batch_size
        for start in range(0, len(order), rows):
            block = order[start : start + rows]
            yield self._features(block, view), self.labels[block], self.weights[block]

    def _features(self, block: NDArray[np.int64], view: NDArray[np.int64]) -> NDArray[np.float32]:
        if len(self.views) == 1 and not len(self.synthetic):
            return self.views[0].gather(self.rows[block])
        features = np.empty((len(block), self.synthetic.shape[1]), dtype=np.float32)
        is_image = block < len(self.rows)
        features[~is_image] = self.synthetic[block[~is_image] - len(self.rows)]
        for number, view_features in enumerate(self.views):
            in_view = np.flatnonzero(is_image)[view[block[is_image]] == number]
            features[in_view] = view_features.gather(self.rows[block[in_view]])
        return features


def apply_balance(
    balance: Balance, *, strategy: str, views: tuple[ShardedArray, ...], train: NDArray[np.int64], labels: NDArray[np.int64]
) -> TrainingRows:
    """Validate and apply the decision of an imbalance strategy.

    Args:
        balance: the decision.
        strategy: the strategy's name, for errors.
        views: the features of the dataset.
        train: int ``[n]``, the images of the training fold.
        labels: int ``[n]``, their labels.

    Raises:
        PluginError: the decision is invalid.
        NotFinite: the decision contains numbers that are not finite.
    """
    if not isinstance(balance, Balance):
        raise PluginError(f"imbalance {strategy} returned {type(balance).__name__}, expected Balance")
    if not isinstance(balance.loss, Loss):
        raise PluginError(f"imbalance {strategy}: loss must be CrossEntropy() or Focal(), not {balance.loss!r}")
    indices = np.arange(len(train)) if balance.indices is None else np.asarray(balance.indices)
    if (
        indices.ndim != 1
        or indices.dtype.kind not in "iu"
        or (len(indices) and not 0 <= indices.min() <= indices.max() < len(train))
    ):
        raise PluginError(f"imbalance {strategy}: indices must be whole numbers in 0..{len(train) - 1}")
    synthetic, synthetic_labels = _synthetic_rows(balance, strategy, views[0].row_shape()[0])
    if len(synthetic) and _has_altered_label(synthetic, synthetic_labels, views[0].gather(train), labels):
        raise PluginError(
            f"imbalance {strategy} returned a training row with an altered label. Synthetic rows may be new, but a copy of a "
            "training row must keep its label"
        )
    all_labels = np.concatenate([labels[indices], synthetic_labels])
    if len(np.unique(all_labels)) < 2:
        raise PluginError(f"imbalance {strategy} left training rows of one class only; both classes are needed")
    return TrainingRows(
        views=views,
        rows=train[indices],
        synthetic=synthetic,
        labels=all_labels.astype(np.float32),
        weights=_sample_weights(balance, strategy, len(all_labels)),
        loss=balance.loss,
        note=_note(balance, strategy),
    )


def _note(balance: Balance, strategy: str) -> str:
    if not isinstance(balance.note, str):
        raise PluginError(f"imbalance {strategy}: note must be text, not {type(balance.note).__name__}")
    text = as_line(without_paths(" ".join(balance.note.split())))[:LONGEST_NOTE]
    return f"imbalance {strategy}: {text}" if text else ""


def _synthetic_rows(balance: Balance, strategy: str, width: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if balance.synthetic is None:
        return np.empty((0, width), dtype=np.float32), np.empty(0, dtype=np.int64)
    if not isinstance(balance.synthetic, tuple) or len(balance.synthetic) != 2:
        raise PluginError(f"imbalance {strategy}: synthetic must be a pair (features, labels)")
    features, labels = (np.asarray(array) for array in balance.synthetic)
    if features.shape != (len(labels), width) or not np.isin(labels, (0, 1)).all():
        raise PluginError(
            f"imbalance {strategy}: synthetic rows must be finite features [s, {width}] and labels [s], each 0 or 1"
        )
    if not np.isfinite(features).all():
        raise NotFinite(f"imbalance {strategy}: synthetic rows must be finite features")
    return features.astype(np.float32), labels.astype(np.int64)


def _has_altered_label(
    synthetic: NDArray[np.float32], synthetic_labels: NDArray[np.int64], real: NDArray[np.float32], labels: NDArray[np.int64]
) -> bool:
    """Return whether a synthetic row equals rows of the fold and its label differs from all of theirs."""
    known: dict[bytes, set[int]] = {}
    for row, label in zip(real, labels, strict=True):
        known.setdefault(row.tobytes(), set()).add(int(label))
    return any(
        int(label) not in known.get(row.tobytes(), {int(label)}) for row, label in zip(synthetic, synthetic_labels, strict=True)
    )


def _sample_weights(balance: Balance, strategy: str, count: int) -> NDArray[np.float32]:
    if balance.sample_weight is None:
        return np.ones(count, dtype=np.float32)
    weights = np.asarray(balance.sample_weight, dtype=np.float32)
    if weights.shape != (count,) or (weights < 0).any() or not weights.any():
        raise PluginError(f"imbalance {strategy}: sample_weight must be {count} finite numbers >= 0, not all zero")
    if not np.isfinite(weights).all():
        raise NotFinite(f"imbalance {strategy}: sample_weight must be finite numbers")
    return weights
