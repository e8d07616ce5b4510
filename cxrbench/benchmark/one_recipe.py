"""One recipe from its features to its entry: a search, a seal and a score for each fold, then the mean over them."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from cxrbench.benchmark.context import result_identity
from cxrbench.benchmark.external import score_external
from cxrbench.benchmark.one_fold import FoldOutcome, Prepared, compete_in_fold, pooled
from cxrbench.benchmark.selection import halved_features
from cxrbench.errors import DiskFull, StorageLost, StudyDamaged
from cxrbench.evaluation.predictions import write_predictions
from cxrbench.execution.failures import TrialsFailed, failure_kind, failure_log, failure_reason
from cxrbench.leaderboard.store.test_lock import SealBroken, broken
from cxrbench.leaderboard.summaries import summarise_under
from cxrbench.models.features.feature_source import FeaturesMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.benchmark.context import Contest
    from cxrbench.benchmark.one_fold import Listener
    from cxrbench.config.recipe import Recipe
    from cxrbench.execution.executor import Executor
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.search.record import StudyRecord


def compete(
    contest: Contest,
    recipe: Recipe,
    prepared: Prepared,
    executor: Executor,
    listener: Listener,
) -> Entry:
    """Return a recipe's entry; whatever goes wrong becomes its reason.

    Raises:
        DiskFull, StorageLost: nothing can be put on record any more, whatever the recipe.
    """
    if prepared.problem:
        return contest.blank_entry(recipe, "failed", prepared.problem, failure=prepared.failure, log=prepared.log)
    begun: dict[str, StudyRecord] = {}
    try:
        return _compete(contest, recipe, prepared, executor, listener=listener, on_record=begun.__setitem__)
    except (DiskFull, StorageLost):
        raise
    except (SealBroken, StudyDamaged) as error:  # what is on disk does not fit any more, whoever changed it
        failed = contest.blank_entry(recipe, "failed", str(error), failure="data_error")
    except TrialsFailed as error:
        failed = contest.blank_entry(recipe, "failed", str(error), failure=failure_kind(error), log=failure_log(error))
        failed = failed.model_copy(update={"failed_params": dict(error.trial.params)})
    except Exception as error:
        failed = contest.blank_entry(
            recipe, "failed", failure_reason(error), failure=failure_kind(error), log=failure_log(error)
        )
    return failed.model_copy(update={"begun": _finished(begun, contest.protocol.trials)})


def _finished(begun: Mapping[str, StudyRecord], trials: int) -> dict[str, dict[str, int]]:
    """Count each study's finished trials by state; nothing where a record cannot be read, which is why the recipe failed."""
    with suppress(StudyDamaged, OSError):
        return {
            study: dict(Counter(trial.state for trial in record.finished() if trial.number < trials))
            for study, record in begun.items()
        }
    return {}


def _compete(
    contest: Contest,
    recipe: Recipe,
    prepared: Prepared,
    executor: Executor,
    *,
    listener: Listener,
    on_record: Callable[[str, StudyRecord], None],
) -> Entry:
    start = time.perf_counter()
    identity = result_identity(contest.protocol, contest.engine, recipe, prepared.base)
    if contest.folder.seals.is_open(recipe.file_stem) and contest.folder.study_of(recipe.file_stem) not in {"", identity}:
        raise broken("of this protocol")  # better before the search than after it
    outcomes = [
        compete_in_fold(contest, recipe, fold, prepared, executor, listener=listener, on_record=on_record)
        for fold in range(contest.protocol.folds)
    ]
    path = contest.folder.predictions(recipe.file_stem)
    write_predictions(path, pooled(outcomes))
    external = _score_externals(contest, recipe, prepared, outcomes, executor)
    search = sum(outcome.search_seconds for outcome in outcomes)
    seconds = {"features": prepared.seconds, "search": search, "elapsed": time.perf_counter() - start}
    return _entry(contest, recipe, outcomes).model_copy(
        update={
            "study": identity,
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "predictions": contest.folder.relative(path),
            "warnings": (*contest.warnings, *dict.fromkeys(line for one in outcomes for line in one.warnings), *external),
        }
    )


def _entry(contest: Contest, recipe: Recipe, outcomes: list[FoldOutcome]) -> Entry:
    protocol = contest.protocol
    summary = summarise_under(protocol, [unit for outcome in outcomes for unit in outcome.units])
    return contest.blank_entry(recipe, "complete").model_copy(
        update={
            "metrics": summary.metrics,
            "intervals": summary.intervals,
            "seed_spread": summary.seed_spread,
            "selected_by": protocol.metric,
            "folds": tuple(outcome.result for outcome in outcomes),
        }
    )


def _score_externals(
    contest: Contest, recipe: Recipe, prepared: Prepared, outcomes: list[FoldOutcome], executor: Executor
) -> list[str]:
    """Score the further test sets with the frozen heads; return how that was not as usual."""
    remarks = []
    selections = [selection for outcome in outcomes for selection in outcome.selections]
    for external in contest.externals:
        try:
            views = [prepared.feature_source.external(external.name, one.params) for one in selections]
        except FeaturesMissing as error:
            remarks.append(f"external {external.name} was not scored: {error}")
        else:
            remarks += halved_features(views)
            remarks += score_external(contest, external, recipe, selections, views=views, executor=executor)
    return remarks
