"""Predictive values of a model's calls at a stated prevalence, from its own test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError
from cxrbench.evaluation.rates import npv, ppv

if TYPE_CHECKING:
    from cxrbench.leaderboard.store.model_record import ModelRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictiveValues:
    """How probable it is that a call is right, where the positive class has this prevalence.

    Attributes:
        ppv: of a positive call.
        npv: of a negative call.
    """

    prevalence: float
    ppv: float
    npv: float


def predictive_values(record: ModelRecord, prevalence: float) -> PredictiveValues:
    """Return the predictive values of a model by Bayes' theorem, from its sensitivity and specificity on its test images.

    Raises:
        ConfigError: the prevalence is not between 0 and 1, or the model has no test images.
    """
    if not 0 < prevalence < 1:
        raise ConfigError(f"--prevalence {prevalence:g}: must be between 0 and 1, such as 0.1")
    if record.confusion is None:
        raise ConfigError("--prevalence: a model of all folds has no test images, so its predictive values are unknown")
    counts = record.confusion
    sensitivity, specificity = counts.tp / (counts.tp + counts.fn), counts.tn / (counts.tn + counts.fp)
    return PredictiveValues(
        prevalence=prevalence,
        ppv=float(ppv(sensitivity, specificity, prevalence)),
        npv=float(npv(sensitivity, specificity, prevalence)),
    )
