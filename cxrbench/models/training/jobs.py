"""What a worker process is asked to do with a head: train one trial, freeze the selected one, score images with it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import PluginError
from cxrbench.execution.failures import NotFinite
from cxrbench.models.training.configuration import SCORED_AT_ONCE
from cxrbench.models.training.rows import TrainingRows, apply_balance
from cxrbench.plugin.contracts import CrossEntropy, Fold
from cxrbench.storage.files import seed_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cxrbench.config.component import Part
    from cxrbench.models.training.configuration import TrainingConfiguration
    from cxrbench.models.training.trainer import Fit
    from cxrbench.plugin.specs import Imbalance, Space, Value
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadJob:
    """All that a worker needs to train heads for one recipe: picklable, without any test image or label.

    Attributes:
        study: names the study; two jobs of one name are equal.
        seed: from which the seeds of the strategy and of each trial are made.
        train, validation: images and their labels.
    """

    study: str
    views: tuple[ShardedArray, ...] = field(compare=False)
    imbalance: Part[Imbalance] = field(compare=False)
    train: tuple[NDArray[np.int64], NDArray[np.int64]] = field(compare=False)
    validation: tuple[NDArray[np.int64], NDArray[np.int64]] = field(compare=False)
    configuration: TrainingConfiguration = field(compare=False)
    seed: int = field(compare=False)

    @property
    def strategy_space(self) -> Space:
        """What the strategy lets the search set, less what the user has set."""
        chosen = dict(self.imbalance.component.options)
        return {name: parameter for name, parameter in self.imbalance.spec.space.items() if name not in chosen}

    def in_batches(self, batch_size: int) -> HeadJob:
        """Return the job for less memory, or itself for the configuration's own batch size."""
        return (
            self
            if batch_size == self.configuration.batch_size
            else replace(self, configuration=self.configuration.in_batches(batch_size))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What a trained trial sends back.

    Attributes:
        losses: validation cross-entropy of each epoch.
        scores: validation scores of the best epoch.
        pruned: whether it was given up at a cut-off.
    """

    losses: tuple[float, ...]
    scores: NDArray[np.float64]
    seconds: float
    pruned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenHead:
    """A trained head that nobody trains any more.

    Attributes:
        weights: float32, as `Head.weights` returns them.
        scores: float64 ``[n]``, of the validation images.
    """

    weights: tuple[NDArray[np.float32], ...]
    scores: NDArray[np.float64]


def train_trial(job: HeadJob, number: int, params: Mapping[str, Value], cut_offs: Sequence[float] = ()) -> TrialResult:
    """Train trial `number` of a study; give it up after an epoch whose cut-off its best validation loss so far exceeds."""
    start = time.perf_counter()
    fit = _fit(job, params, seed_from(job.seed, number), cut_offs)
    return TrialResult(losses=fit.losses, scores=fit.scores, seconds=time.perf_counter() - start, pruned=fit.pruned)


def freeze_head(job: HeadJob, number: int, params: Mapping[str, Value], repeat: int = 0) -> FrozenHead:
    """Train trial `number` once more: repeat 0 repeats it exactly, the others differ in the seed of the head alone."""
    fit = _fit(job, params, seed_from(job.seed, number, *([repeat] if repeat else [])))
    return FrozenHead(weights=tuple(fit.head.weights()), scores=fit.scores)


def score_images(
    head: FrozenHead, batch_size: int, view: ShardedArray, images: NDArray[np.int64], at_once: int = SCORED_AT_ONCE
) -> NDArray[np.float64]:
    """Return a frozen head's scores of images, float64 ``[n]``, from the features of a view.

    Args:
        head: weights.
        batch_size: what it was trained with, which the process has a compiled head for.
        view: features.
        images: rows of the dataset.
        at_once: rows whose features are in memory at once.

    Raises:
        NotFinite: if a score is no number.
    """
    from cxrbench.models.training.head import head_for
    from cxrbench.models.training.trainer import head_logits, sigmoid

    scorer = head_for(head.weights[0].shape[0], CrossEntropy(), batch_size)
    scorer.set_weights(list(head.weights))
    scores = sigmoid(head_logits(scorer, view, images, at_once))
    if not np.isfinite(scores).all():
        raise NotFinite(f"the head gave {np.sum(~np.isfinite(scores))} of {len(scores)} images a score that is no number")
    return scores


def _fit(job: HeadJob, params: Mapping[str, Value], seed: int, cut_offs: Sequence[float] = ()) -> Fit:
    from cxrbench.models.training.trainer import fit_head

    options = tuple(sorted((name, params[name]) for name in job.strategy_space if name in params))
    return fit_head(
        _training_rows(job, options),
        job.validation,
        job.configuration,
        learning_rate=float(params["learning_rate"]),
        dropout=float(params["dropout"]),
        seed=seed,
        cut_offs=cut_offs,
    )


@lru_cache(maxsize=4)
def _training_rows(job: HeadJob, options: tuple[tuple[str, Value], ...]) -> TrainingRows:
    """Ask the strategy, once per process and setting; it sees copies of the training rows and nothing else."""
    images, labels = job.train
    features = job.views[0].gather(images) if job.imbalance.spec.needs_features else None
    fold = Fold(labels=labels.copy(), features=features)
    given: dict[str, Any] = dict(options)
    balance = job.imbalance.build(fold, seed=seed_from(job.seed, "imbalance"), **given)
    who = str(job.imbalance.component)
    if not np.array_equal(fold.labels, labels):
        raise PluginError(f"imbalance {who} altered the labels that it was given: it may choose, weigh and add rows only")
    return apply_balance(balance, who=who, views=job.views, train=images, labels=labels)
