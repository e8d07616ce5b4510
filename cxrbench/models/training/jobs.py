"""The calls of a worker process on heads: train a trial, freeze the selected head, score images."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.config.seeds import imbalance_seed, training_seed
from cxrbench.errors import PluginError
from cxrbench.execution.failures import NotFinite
from cxrbench.models.training.configuration import SCORED_AT_ONCE
from cxrbench.models.training.curves import CurveRecorder, Curves
from cxrbench.models.training.rows import TrainingRows, apply_balance
from cxrbench.plugin.contracts import CrossEntropy, Fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The result of a trained trial.

    Attributes:
        losses: validation cross-entropy of each epoch.
        scores: float64 ``[versions, n]``, scores of the best epoch for each of the `validation_versions`.
        pruned: whether training stopped at a cut-off.
    """

    losses: tuple[float, ...]
    scores: NDArray[np.float64]
    seconds: float
    pruned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenHead:
    """A trained head whose weights are final.

    Attributes:
        weights: float32, as `Head.weights` returns them.
        scores: float64 ``[versions, n]``, for each of the `validation_versions`.
        note: the warning of the imbalance strategy, or an empty string.
        curves: of its training.
    """

    weights: HeadWeights
    scores: NDArray[np.float64]
    note: str = ""
    curves: Curves = field(default_factory=Curves)


def train_trial(job: HeadJob, number: int, params: Mapping[str, Value], cut_offs: Sequence[float] = ()) -> TrialResult:
    """Train trial `number` of a study. Prune it after an epoch if its best validation loss so far exceeds the cut-off."""
    start = time.perf_counter()
    fit = _fit(job, params, training_seed(job.seed, number), cut_offs)
    scores = _version_scores(job, fit)
    return TrialResult(losses=fit.losses, scores=scores, seconds=time.perf_counter() - start, pruned=fit.pruned)


def freeze_head(job: HeadJob, number: int, params: Mapping[str, Value], repeat: int = 0) -> FrozenHead:
    """Train trial `number` again. Repeat 0 is exactly the trial; other repeats change the seed of the head only."""
    recorder = CurveRecorder(job=job)
    fit = _fit(job, params, training_seed(job.seed, number, repeat), after_epoch=recorder.after_epoch)
    note = _training_rows(job, _strategy_options(job, params)).note
    return FrozenHead(weights=tuple(fit.head.weights()), scores=_version_scores(job, fit), note=note, curves=recorder.curves)


def score_images(
    heads: Sequence[HeadWeights], batch_size: int, view: ShardedArray, images: NDArray[np.int64], at_once: int = SCORED_AT_ONCE
) -> NDArray[np.float64]:
    """Return the scores of images under the mean logit of frozen heads, float64 ``[n]``, from the features of a view.

    Args:
        heads: the weights of one head or of several.
        batch_size: of its training; the process already has a head compiled for it.
        view: features of the images.
        images: int ``[n]``, rows of the view.
        at_once: rows whose features are in memory at once.

    Raises:
        NotFinite: a score is not finite.
    """
    from cxrbench.models.training.head import head_for
    from cxrbench.models.training.trainer import head_logits, sigmoid

    scorer, logits = head_for(heads[0][0].shape[0], CrossEntropy(), batch_size), np.zeros(len(images))
    for weights in heads:
        scorer.set_weights(list(weights))
        logits += head_logits(scorer, view, images, at_once) / len(heads)
    return _finite(sigmoid(logits))


def _version_scores(job: HeadJob, fit: Fit) -> NDArray[np.float64]:
    """Return the scores of the kept epoch for each of the `validation_versions`; epochs are compared on the first alone."""
    from cxrbench.models.training.trainer import head_logits, sigmoid

    at_once = job.configuration.scored_at_once
    shifted = (_finite(sigmoid(head_logits(fit.head, view, rows, at_once))) for view, rows in job.shifted)
    return np.stack([fit.scores, *shifted])


def _finite(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(scores).all():
        raise NotFinite(f"the head's scores of {np.sum(~np.isfinite(scores))} of {len(scores)} images are not finite")
    return scores


def _fit(
    job: HeadJob,
    params: Mapping[str, Value],
    seed: int,
    cut_offs: Sequence[float] = (),
    after_epoch: AfterEpoch | None = None,
) -> Fit:
    from cxrbench.models.training.trainer import fit_head

    return fit_head(
        _training_rows(job, _strategy_options(job, params)),
        job.validation,
        job.configuration,
        learning_rate=float(params["learning_rate"]),
        dropout=float(params["dropout"]),
        seed=seed,
        cut_offs=cut_offs,
        after_epoch=after_epoch,
    )


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
