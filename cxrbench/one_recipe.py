"""One recipe from its features to its entry: a search, a seal and a score for each fold, then the mean over them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cxrbench.contest import result_identity
from cxrbench.errors import DiskFull, StorageLost, StudyDamaged
from cxrbench.evaluation.predictions import write_predictions
from cxrbench.evaluation.seal import SealBroken, broken
from cxrbench.external import score_external
from cxrbench.failures import log_of, reason_of
from cxrbench.features.supply import FeaturesMissing
from cxrbench.leaderboard.summaries import summarise_under
from cxrbench.one_fold import FoldOutcome, Prepared, compete_in_fold, pooled

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.contest import Contest
    from cxrbench.execution import Executor
    from cxrbench.leaderboard.entry import Entry
    from cxrbench.plugin.contracts import Trial
    from cxrbench.recipe import Recipe


def compete(
    contest: Contest,
    recipe: Recipe,
    prepared: Prepared,
    executor: Executor,
    *,
    on_trial: Callable[[Trial], None],
    on_resume: Callable[[int, int], None],
) -> Entry:
    """Return a recipe's entry; whatever goes wrong becomes its reason.

    `on_trial` is told of each finished trial, `on_resume` of a fold and how many of its trials were finished before.

    Raises:
        StorageLost: nothing can be put on record any more, whatever the recipe.
    """
    if prepared.problem:
        return contest.blank_entry(recipe, "failed", prepared.problem, prepared.log)
    try:
        return _compete(contest, recipe, prepared, executor, on_trial=on_trial, on_resume=on_resume)
    except (DiskFull, StorageLost):
        raise
    except (SealBroken, StudyDamaged) as error:
        return contest.blank_entry(recipe, "failed", str(error))
    except Exception as error:
        return contest.blank_entry(recipe, "failed", reason_of(error), log_of(error))


def _compete(
    contest: Contest,
    recipe: Recipe,
    prepared: Prepared,
    executor: Executor,
    *,
    on_trial: Callable[[Trial], None],
    on_resume: Callable[[int, int], None],
) -> Entry:
    start = time.perf_counter()
    identity = result_identity(contest.protocol, contest.engine, recipe, prepared.base)
    if contest.folder.seals.is_open(recipe.file_stem) and contest.folder.study_of(recipe.file_stem) not in {"", identity}:
        raise broken("of this protocol")  # better before the search than after it
    outcomes = [
        compete_in_fold(contest, recipe, fold, prepared, executor, on_trial=on_trial, on_resume=on_resume)
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
    """Score the further test sets with the frozen heads; return why some could not be scored."""
    problems = []
    selections = [selection for outcome in outcomes for selection in outcome.selections]
    for external in contest.externals:
        try:
            views = [prepared.supply.external(external.name, one.params) for one in selections]
        except FeaturesMissing as error:
            problems.append(f"external {external.name} was not scored: {error}")
        else:
            score_external(contest, external, recipe, selections, views=views, executor=executor)
    return problems
