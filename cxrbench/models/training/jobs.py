"""The calls of a worker process on heads: train a trial, freeze the selected head, compute logits of images."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.config.seeds import imbalance_seed, training_seed
from cxrbench.errors import PluginError
from cxrbench.execution.keras_process import device_of_keras
from cxrbench.models.training.curves import CurveRecorder
from cxrbench.models.training.frozen import FrozenModel, TrialResult, finite
from cxrbench.models.training.head_file import write_head
from cxrbench.models.training.rows import TrainingRows, apply_balance
from cxrbench.plugin.contracts import CrossEntropy, Fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.config.part import Part
    from cxrbench.models.training.configuration import TrainingConfiguration
    from cxrbench.models.training.head_weights import HeadWeights
    from cxrbench.models.training.trainer import AfterEpoch, Fit
    from cxrbench.plugin.specs import Imbalance, Space, Value
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadJob:
    """Everything that a worker needs to train heads of one recipe. Picklable, without test images and labels.

    Attributes:
        study: name of the study; jobs with the same name are equal.
        views: the clean view and then the augmented ones.
        imbalance: the imbalance strategy.
        train, validation: rows of the images, and their labels.
        patients: int ``[n]``, whose validation image it is; None if each is of another patient.
        shifted: the validation images under each development shift: a view of them, and their rows in it.
        seed: the seeds of the strategy and of each trial derive from it.
    """

    study: str
    views: tuple[ShardedArray, ...] = field(compare=False)
    imbalance: Part[Imbalance] = field(compare=False)
    train: tuple[NDArray[np.int64], NDArray[np.int64]] = field(compare=False)
    validation: tuple[NDArray[np.int64], NDArray[np.int64]] = field(compare=False)
    configuration: TrainingConfiguration = field(compare=False)
    seed: int = field(compare=False)
    patients: NDArray[np.int64] | None = field(default=None, compare=False)
    shifted: tuple[tuple[ShardedArray, NDArray[np.int64]], ...] = field(default=(), compare=False)

    @property
    def extracted(self) -> tuple[ShardedArray, ...]:
        """The features that it learns from: all views."""
        return self.views

    @property
    def validation_versions(self) -> tuple[tuple[ShardedArray, NDArray[np.int64]], ...]:
        """The validation images as they are and under each development shift: a view of them, and their rows in it."""
        return ((self.views[0], self.validation[0]), *self.shifted)

    @property
    def strategy_space(self) -> Space:
        """The parameters that the strategy lets the search set, without those set by the user."""
        set_by_user = dict(self.imbalance.component.options)
        return {name: parameter for name, parameter in self.imbalance.spec.space.items() if name not in set_by_user}

    def in_batches(self, batch_size: int) -> HeadJob:
        """Return the job with another batch size, or itself if the size is the same."""
        if batch_size == self.configuration.batch_size:
            return self
        return replace(self, configuration=self.configuration.in_batches(batch_size))

    def train_trial(self, number: int, params: Mapping[str, Value], cut_offs: Sequence[float] = ()) -> TrialResult:
        """Train trial `number`. Prune it after an epoch if its best validation loss so far exceeds the cut-off."""
        start = time.perf_counter()
        fit = _fit(self, params, training_seed(self.seed, number), cut_offs)
        scores = _version_scores(self, fit)
        return TrialResult(losses=fit.losses, scores=scores, seconds=time.perf_counter() - start, pruned=fit.pruned)

    def freeze(self, number: int, params: Mapping[str, Value], repeat: int = 0) -> FrozenModel:
        """Train trial `number` again. Repeat 0 is exactly the trial; other repeats change the seed of the head only."""
        recorder = CurveRecorder(job=self)
        fit = _fit(self, params, training_seed(self.seed, number, repeat), after_epoch=recorder.after_epoch)
        return FrozenModel(
            scorer=HeadScorer(weights=tuple(fit.head.weights()), batch_size=self.configuration.batch_size),
            scores=_version_scores(self, fit),
            note=training_rows(self, params).note,
            curves=recorder.curves,
            devices=(device_of_keras(),),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadScorer:
    """A trained head.

    Attributes:
        weights: float32, as `Head.weights` returns them.
        batch_size: of its training; the process already has a head compiled for it.
    """

    weights: HeadWeights
    batch_size: int

    @property
    def parameters(self) -> int:
        """The number of its weights."""
        return sum(weights.size for weights in self.weights)

    def logits(self, view: ShardedArray, images: NDArray[np.int64], at_once: int) -> NDArray[np.float64]:
        """Return the logit of each image, from the features of a view."""
        from cxrbench.models.training.head import head_for
        from cxrbench.models.training.trainer import head_logits

        head = head_for(self.weights[0].shape[0], CrossEntropy(), self.batch_size)
        head.set_weights(list(self.weights))
        return head_logits(head, view, images, at_once)

    def write(self, path: Path) -> str:
        """Write the weights, and return the SHA-256 of the file."""
        return write_head(path, self.weights)


def _version_scores(job: HeadJob, fit: Fit) -> NDArray[np.float64]:
    """Return the scores of the kept epoch for each of the `validation_versions`; epochs are compared on the first alone."""
    from cxrbench.models.training.trainer import head_logits, sigmoid

    at_once = job.configuration.scored_at_once
    shifted = (finite(sigmoid(head_logits(fit.head, view, rows, at_once))) for view, rows in job.shifted)
    return np.stack([fit.scores, *shifted])


def _fit(
    job: HeadJob,
    params: Mapping[str, Value],
    seed: int,
    cut_offs: Sequence[float] = (),
    after_epoch: AfterEpoch | None = None,
) -> Fit:
    from cxrbench.models.training.trainer import fit_head

    return fit_head(
        training_rows(job, params),
        job.validation,
        job.configuration,
        learning_rate=float(params["learning_rate"]),
        dropout=float(params["dropout"]),
        seed=seed,
        cut_offs=cut_offs,
        after_epoch=after_epoch,
    )


def training_rows(job: HeadJob, params: Mapping[str, Value]) -> TrainingRows:
    """Return the training rows after the imbalance strategy, with its searched parameters."""
    return _training_rows(job, _strategy_options(job, params))


def _strategy_options(job: HeadJob, params: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted((name, params[name]) for name in job.strategy_space if name in params))


@lru_cache(maxsize=4)
def _training_rows(job: HeadJob, options: tuple[tuple[str, Value], ...]) -> TrainingRows:
    """Call the imbalance strategy, once per process and setting. It gets copies of the training rows and nothing else."""
    images, labels = job.train
    features = job.views[0].gather(images) if job.imbalance.spec.needs_features else None
    fold = Fold(labels=labels.copy(), features=features)
    searched: dict[str, Any] = dict(options)
    balance = job.imbalance.build(fold, seed=imbalance_seed(job.seed), **searched)
    strategy = str(job.imbalance.component)
    if not np.array_equal(fold.labels, labels):
        raise PluginError(f"imbalance {strategy} altered the labels that it was given; it may only choose, weight and add rows")
    return apply_balance(balance, strategy=strategy, views=job.views, train=images, labels=labels)
