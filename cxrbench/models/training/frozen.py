"""Models in training, whatever is trained: what a job is, what it returns, and how images are scored with its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from cxrbench.execution.failures import NotFinite
from cxrbench.models.training.configuration import SCORED_AT_ONCE
from cxrbench.models.training.curves import Curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.execution.devices import DeviceKind
    from cxrbench.models.training.configuration import TrainingConfiguration
    from cxrbench.plugin.specs import Value
    from cxrbench.storage.sharded_array import ShardedArray


class Scorer(Protocol):
    """A trained model that is final. Picklable."""

    @property
    def parameters(self) -> int:
        """The number of weights that were trained."""

    def logits(self, view: ShardedArray, images: NDArray[np.int64], at_once: int) -> NDArray[np.float64]:
        """Return the logit of each image, a row of a view."""

    def write(self, path: Path) -> str:
        """Write the weights, and return the SHA-256 of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The result of a trained trial.

    Attributes:
        losses: validation cross-entropy of each epoch.
        scores: float64 ``[versions, n]``, scores of the best epoch for each of the job's `validation_versions`.
        pruned: whether training stopped at a cut-off.
    """

    losses: tuple[float, ...]
    scores: NDArray[np.float64]
    seconds: float
    pruned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenModel:
    """A trained model whose weights are final.

    Attributes:
        scorer: the model.
        scores: float64 ``[versions, n]``, for each of the job's `validation_versions`.
        note: the warning of the imbalance strategy, or an empty string.
        curves: of its training.
        devices: what it was trained on.
    """

    scorer: Scorer
    scores: NDArray[np.float64]
    note: str = ""
    curves: Curves = field(default_factory=Curves)
    devices: tuple[DeviceKind, ...] = ("cpu",)


class TrainingJob(Protocol):
    """Everything that a worker needs to train the models of a study. Picklable, without test images and labels."""

    @property
    def study(self) -> str:
        """The name of the study; jobs with the same name are equal."""

    @property
    def views(self) -> tuple[ShardedArray, ...]:
        """What it learns from: the clean view of all images first."""

    @property
    def extracted(self) -> tuple[ShardedArray, ...]:
        """The features among what it learns from."""

    @property
    def validation(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the validation images, and their labels."""

    @property
    def patients(self) -> NDArray[np.int64] | None:
        """Whose validation image it is, int ``[n]``; None if each is of another patient."""

    @property
    def configuration(self) -> TrainingConfiguration:
        """How it is trained."""

    @property
    def validation_versions(self) -> tuple[tuple[ShardedArray, NDArray[np.int64]], ...]:
        """The validation images as they are and under each development shift: a view of them, and their rows in it."""

    def in_batches(self, batch_size: int) -> Self:
        """Return the job with another batch size."""

    def train_trial(self, number: int, params: Mapping[str, Value], cut_offs: Sequence[float] = ()) -> TrialResult:
        """Train a trial by its number."""

    def freeze(self, number: int, params: Mapping[str, Value], repeat: int = 0) -> FrozenModel:
        """Return the model of a trial, or a repeat of it with another seed."""


def score_images(
    scorers: Sequence[Scorer], view: ShardedArray, images: NDArray[np.int64], at_once: int = SCORED_AT_ONCE
) -> NDArray[np.float64]:
    """Return the scores of images under the mean logit of frozen models, float64 ``[n]``.

    Args:
        scorers: one or several.
        view: of the images, as the models see them.
        images: int ``[n]``, rows of the view.
        at_once: rows in memory at once.

    Raises:
        NotFinite: a score is not finite.
    """
    from cxrbench.models.training.trainer import sigmoid

    logits = np.zeros(len(images))
    for scorer in scorers:
        logits += scorer.logits(view, images, at_once) / len(scorers)
    return finite(sigmoid(logits))


def finite(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores; raise NotFinite if one is not finite."""
    if not np.isfinite(scores).all():
        raise NotFinite(f"the scores of {np.sum(~np.isfinite(scores))} of {len(scores)} images are not finite")
    return scores
