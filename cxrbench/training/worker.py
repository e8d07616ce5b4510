"""What a worker process is asked to do with a head: train one trial, or score the selected one on the test images."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cxrbench.files import seed_from
from cxrbench.plugin.contracts import Fold
from cxrbench.training.rows import TrainingRows, apply_balance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.component import Part
    from cxrbench.plugin.specs import Imbalance, Space, Value
    from cxrbench.shards import ShardedArray
    from cxrbench.training.regimen import Regimen
    from cxrbench.training.trainer import Fit


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
    regimen: Regimen = field(compare=False)
    seed: int = field(compare=False)

    @property
    def strategy_space(self) -> Space:
        """What the strategy lets the search set, less what the user has set."""
        chosen = dict(self.imbalance.component.options)
        return {name: parameter for name, parameter in self.imbalance.spec.space.items() if name not in chosen}


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


def train_trial(job: HeadJob, number: int, params: Mapping[str, Value], cut_offs: Sequence[float] = ()) -> TrialResult:
    """Train trial `number` of a study; give it up after an epoch whose cut-off its best validation loss so far exceeds."""
    start = time.perf_counter()
    fit = _fit(job, number, params, cut_offs)
    return TrialResult(losses=fit.losses, scores=fit.scores, seconds=time.perf_counter() - start, pruned=fit.pruned)


def score_images(
    job: HeadJob, number: int, params: Mapping[str, Value], images: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Train trial `number` once more, which repeats it exactly; return its scores of the validation fold and of `images`."""
    from cxrbench.training.trainer import head_logits, sigmoid

    fit = _fit(job, number, params)
    return fit.scores, sigmoid(head_logits(fit.head, job.views[0], images))


def _fit(job: HeadJob, number: int, params: Mapping[str, Value], cut_offs: Sequence[float] = ()) -> Fit:
    from cxrbench.training.trainer import fit_head

    options = tuple(sorted((name, params[name]) for name in job.strategy_space))
    return fit_head(
        _training_rows(job, options),
        job.validation,
        job.regimen,
        learning_rate=float(params["learning_rate"]),
        dropout=float(params["dropout"]),
        seed=seed_from(job.seed, number),
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
    return apply_balance(balance, who=str(job.imbalance.component), views=job.views, train=images, labels=labels)
