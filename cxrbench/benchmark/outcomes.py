"""Turn a search and its scored heads into the result of a fold, folds into that of a recipe, and errors into reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.benchmark.entries import NoResult, Result, head_result, mean_result
from cxrbench.benchmark.extraction import FeaturesUnavailable
from cxrbench.benchmark.selection import smaller_extraction_warnings, smaller_scoring_warnings, smaller_training_warnings
from cxrbench.benchmark.studies import count_finished
from cxrbench.errors import StudyDamaged
from cxrbench.evaluation.versions import mean_metrics
from cxrbench.execution.failures import TrialsFailed, failure_kind, failure_log, failure_reason
from cxrbench.leaderboard.store.entry import FoldResult
from cxrbench.leaderboard.store.test_lock import TestSetLocked
from cxrbench.leaderboard.store.trial_history import history_of
from cxrbench.models.features.extraction import devices_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.benchmark.selection import ScoredTest, Selection
    from cxrbench.benchmark.studies import FoldStudy
    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.execution.devices import DeviceKind
    from cxrbench.leaderboard.store.entry import MeanResult
    from cxrbench.plugin.contracts import Trial
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSearch:
    """The trials of a fold, the one that validation selected, and the features that it was trained on."""

    trials: Sequence[Trial]
    selected: Trial
    views: tuple[ShardedArray, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOutcome:
    """The result of one fold.

    Attributes:
        result: as the entry holds it.
        scored: the frozen heads with their test predictions.
        mean: the mean of the heads of all seeds likewise; None for one seed.
        warnings: that must be read with the result.
        search_seconds: worker time of the trials.
        devices: what computed it, as `Entry.devices`, but also if that was CPUs alone.
    """

    result: FoldResult
    scored: tuple[ScoredTest, ...]
    mean: ScoredTest | None
    warnings: tuple[str, ...]
    search_seconds: float
    devices: Mapping[str, tuple[DeviceKind, ...]]

    @property
    def selections(self) -> tuple[Selection, ...]:
        """The frozen heads."""
        return tuple(one.selection for one in self.scored)

    @property
    def tested(self) -> tuple[Predictions, ...]:
        """The test predictions of each head."""
        return tuple(one.predictions for one in self.scored)

    @property
    def predictions(self) -> tuple[Predictions, ...]:
        """The validation and then the test predictions of each head, then those of their mean."""
        mean = (self.mean.selection.validated[0], self.mean.predictions) if self.mean else ()
        return (*(selection.validated[0] for selection in self.selections), *self.tested, *mean)

    def under_development(self, number: int) -> Iterator[Predictions]:
        """Return the validation predictions of each head, and then of their mean, under a development shift by its number."""
        scored = (*self.scored, *((self.mean,) if self.mean else ()))
        return (one.selection.validated[1 + number] for one in scored)


def fold_outcome(
    protocol: Protocol,
    fold_study: FoldStudy,
    search: FinishedSearch,
    scored: Sequence[ScoredTest],
    mean: ScoredTest | None,
) -> FoldOutcome:
    """Return the result of a fold from its finished search, its scored heads and their mean.

    The head of the trial's own seed is the first.
    """
    selections, selected = [one.selection for one in scored], search.selected
    validation = mean_metrics(selections[0].validated, protocol.prevalence)
    return FoldOutcome(
        result=FoldResult(
            fold=fold_study.fold,
            study=fold_study.identity,
            selected_trial=selected.number,
            params=dict(selections[0].params),
            validation=validation,
            trials=dict(Counter(trial.state for trial in search.trials)),
            history=history_of(search.trials),
            heads=tuple(
                head_result(protocol, one.predictions, one.selection.identity).model_copy(
                    update={"model": one.model, "curves": one.selection.curves, **_temperature(protocol, one)}
                )
                for one in scored
            ),
            mean=_mean_result(protocol, mean) if mean else None,
        ),
        scored=tuple(scored),
        mean=mean,
        warnings=(
            *_repetition_warnings(protocol.metric, selected, validation[protocol.metric]),
            *dict.fromkeys(selection.model.note for selection in selections if selection.model.note),
            *smaller_extraction_warnings(search.views),
            *smaller_training_warnings(fold_study.study.job.configuration.batch_size, selected, selections),
            *smaller_scoring_warnings("test", (one.at_once for one in scored)),
        ),
        search_seconds=sum(trial.seconds for trial in search.trials),
        devices={
            "features": devices_of(search.views),
            "training": tuple(sorted({device for one in selections for device in one.model.devices})),
        },
    )


def _mean_result(protocol: Protocol, scored: ScoredTest) -> MeanResult:
    result = mean_result(protocol, scored.predictions, scored.selection.identity)
    return result.model_copy(update=_temperature(protocol, scored))


def _temperature(protocol: Protocol, scored: ScoredTest) -> dict[str, float]:
    return {} if protocol.calibrate == "none" else {"temperature": scored.selection.temperature}


def recipe_result(
    protocol: Protocol, recipe: PlannedRecipe, folds: Sequence[FoldOutcome], seconds: Mapping[str, float]
) -> Result:
    """Return the result of a recipe from those of its folds; `seconds` are those of its features and of all."""
    search = sum(fold.search_seconds for fold in folds)
    return Result(
        identity=recipe.identity,
        tested=[predictions for fold in folds for predictions in fold.tested],
        folds=tuple(fold.result for fold in folds),
        selected_by=protocol.metric,
        seconds={"features": seconds["features"], "search": search, "elapsed": seconds["elapsed"]},
        devices=_devices(folds),
        warnings=tuple(dict.fromkeys(warning for fold in folds for warning in fold.warnings)),
    )


def _devices(folds: Sequence[FoldOutcome]) -> dict[str, tuple[DeviceKind, ...]]:
    """Return what computed each stage; nothing where CPUs computed all."""
    stages = {stage: sorted({kind for fold in folds for kind in fold.devices[stage]}) for stage in folds[0].devices}
    found = {stage: tuple(kinds) for stage, kinds in stages.items() if kinds}
    return found if any("gpu" in kinds for kinds in found.values()) else {}


def failure_of(error: Exception, studies: Sequence[FoldStudy]) -> NoResult:
    """Return what the entry of a recipe says about an error that ended it.

    Args:
        error: what was raised.
        studies: those that were opened before.
    """
    if isinstance(error, FeaturesUnavailable):
        return error.missing
    begun = count_finished(studies)
    if isinstance(error, TestSetLocked | StudyDamaged):  # a file on disk was changed, which is no fault of a plugin
        return NoResult(status="failed", reason=str(error), failure="data_error", begun=begun)
    kind, log = failure_kind(error), failure_log(error)
    if isinstance(error, TrialsFailed):
        params = error.trial.params
        return NoResult(status="failed", reason=str(error), failure=kind, log=log, failed_params=params, begun=begun)
    return NoResult(status="failed", reason=failure_reason(error), failure=kind, log=log, begun=begun)


def _repetition_warnings(metric: str, selected: Trial, value: float) -> tuple[str, ...]:
    """Return a warning if the selected trial, trained again, has another validation metric."""
    if abs(value - (selected.value or 0.0)) < 1e-9:
        return ()
    return (
        f"trial {selected.number} had {metric} {selected.value:.6f} on validation when it was selected and {value:.6f} when it "
        "was trained again: the machine or a package has changed in between",
    )
