"""The story of a run: plan, extract, and for every recipe and fold search, freeze, score once; then publish."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.benchmark.baseline import add_baseline
from cxrbench.benchmark.callbacks import Callbacks
from cxrbench.benchmark.context import closing_run, open_run
from cxrbench.benchmark.entries import NoResult, Result, build_entry, head_result, recipe_subject
from cxrbench.benchmark.external import score_externals
from cxrbench.benchmark.extraction import start_extraction
from cxrbench.benchmark.plan import make_plan
from cxrbench.benchmark.recipes import failure_of, run_recipes
from cxrbench.benchmark.request import read_request
from cxrbench.benchmark.resources import open_resources
from cxrbench.benchmark.selection import (
    freeze,
    score_test,
    smaller_extraction_warnings,
    smaller_scoring_warnings,
    smaller_training_warnings,
)
from cxrbench.benchmark.studies import FoldStudy, open_studies
from cxrbench.errors import DiskFull, StorageLost
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.predictions import write_predictions
from cxrbench.execution.executor import refuse_inside_worker
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.store.entry import FoldResult
from cxrbench.leaderboard.store.test_lock import locked
from cxrbench.search.study import run_study, select_trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.benchmark.selection import Selection
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.settings import Settings
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.host import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """The result of a run.

    Attributes:
        board: all entries of the protocol, including those of earlier runs.
        entries: those of this run's recipes.
        skipped_backbones: backbones of the default grid whose weights are not on this machine.
    """

    board: Board
    entries: tuple[Entry, ...]
    skipped_backbones: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOutcome:
    """The result of one fold.

    Attributes:
        result: as the entry holds it.
        selections: the frozen heads.
        tested: test predictions of each head.
        warnings: that must be read with the result.
        search_seconds: worker time of the trials.
    """

    result: FoldResult
    selections: tuple[Selection, ...]
    tested: tuple[Predictions, ...]
    warnings: tuple[str, ...]
    search_seconds: float

    @property
    def predictions(self) -> tuple[Predictions, ...]:
        """The validation and then the test predictions of each head."""
        return (*(selection.validated for selection in self.selections), *self.tested)


def run_benchmark(settings: Settings, host: Host, progress: Progress, expected: Protocol | None = None) -> RunOutcome:
    """Give every recipe the same search under the same protocol, and rank the results.

    Args:
        settings: what is asked for.
        host: the plugins.
        progress: shows what happens.
        expected: a protocol whose images these must be.

    Raises:
        ConfigError: an invalid setting, or other images than the expected ones.
        DataError: the images do not allow a fair comparison.
        DiskFull: finished work is kept, as it is after a KeyboardInterrupt; the same call resumes the run.
        StorageLost: the database of studies stays unavailable; likewise.
    """
    refuse_inside_worker()
    callbacks = Callbacks(host=host, progress=progress)
    request = read_request(settings, host, progress)
    with open_resources(settings, callbacks) as resources:  # workers import Keras while the plan is made
        plan = make_plan(request, resources, expected)  # protocol, recipes, identities
        with closing_run(plan, resources.executor):
            extraction = start_extraction(plan, resources)  # workers extract features while images are decoded
            run = open_run(plan, resources, extraction)  # the images are audited and split, the test images locked
            add_baseline(run)
            computed = run_recipes(run, run_recipe)
            board = publish(plan.store)
    callbacks.on_run_end(board)
    entries = {entry.recipe: entry for entry in (*board.entries, *computed)}
    return RunOutcome(
        board=board,
        entries=tuple(entries[str(recipe)] for recipe in plan.recipes),
        skipped_backbones=request.grid.skipped_backbones,
    )


def run_recipe(run: RunContext, recipe: PlannedRecipe) -> Entry:
    """Search, freeze and score every fold of a recipe; any failure becomes the reason of its entry.

    Raises:
        DiskFull, StorageLost: no result of any recipe can be recorded any more.
    """
    studies: list[FoldStudy] = []
    outcome: Result | NoResult
    try:
        features = run.extraction.wait(recipe)
        start = time.perf_counter()
        _refuse_other_selection(run, recipe)
        studies = open_studies(run, recipe, features.source)
        folds = [run_fold(run, recipe, study) for study in studies]
        write_predictions(run.store.predictions(recipe.stem), (one for fold in folds for one in fold.predictions))
        selections = [selection for fold in folds for selection in fold.selections]
        warnings = score_externals(run, recipe, features.source, selections)
        seconds = {"features": features.seconds, "elapsed": time.perf_counter() - start}
        result = _result(run, recipe, folds, seconds)
        outcome = replace(result, warnings=(*result.warnings, *warnings))
    except (DiskFull, StorageLost):
        raise
    except Exception as error:
        outcome = failure_of(error, studies, run.protocol.trials)
    return build_entry(run.facts, recipe_subject(recipe.recipe), outcome)


def run_fold(run: RunContext, recipe: PlannedRecipe, fold_study: FoldStudy) -> FoldOutcome:
    """Search on the training and validation images of a fold, freeze what is selected, and score its test images once."""
    protocol = run.protocol
    on_trial_end = partial(run.callbacks.on_trial_end, recipe.recipe)
    trials = run_study(fold_study.study, fold_study.record, run.executor, on_trial_end)
    selected = select_trial(trials)
    job = fold_study.study.job_of(selected.params)
    selections = freeze(run, fold_study.fold, job, selected)
    scored = [score_test(run, recipe, selection) for selection in selections]
    tested = tuple(one.predictions for one in scored)
    first = selections[0].validated
    validation = metrics(first.labels, first.scores, first.chosen_threshold, prevalence=protocol.prevalence)
    return FoldOutcome(
        result=FoldResult(
            fold=fold_study.fold,
            study=fold_study.identity,
            selected_trial=selected.number,
            params=dict(selections[0].params),
            validation=validation,
            trials=dict(Counter(trial.state for trial in trials)),
            heads=tuple(
                head_result(protocol, one, selection.identity) for one, selection in zip(tested, selections, strict=True)
            ),
        ),
        selections=selections,
        tested=tested,
        warnings=(
            *_repetition_warnings(protocol.metric, selected, validation[protocol.metric]),
            *smaller_extraction_warnings(job.views),
            *smaller_training_warnings(protocol.batch_size, selected, selections),
            *smaller_scoring_warnings("test", (one.at_once for one in scored)),
        ),
        search_seconds=sum(trial.seconds for trial in trials),
    )


def _result(run: RunContext, recipe: PlannedRecipe, folds: Sequence[FoldOutcome], seconds: Mapping[str, float]) -> Result:
    search = sum(fold.search_seconds for fold in folds)
    return Result(
        identity=recipe.identity,
        tested=[predictions for fold in folds for predictions in fold.tested],
        folds=tuple(fold.result for fold in folds),
        selected_by=run.protocol.metric,
        seconds={"features": seconds["features"], "search": search, "elapsed": seconds["elapsed"]},
        warnings=tuple(dict.fromkeys(warning for fold in folds for warning in fold.warnings)),
    )


def _refuse_other_selection(run: RunContext, recipe: PlannedRecipe) -> None:
    """Raise TestSetLocked before the search rather than after it, if an earlier result had another identity."""
    if run.store.test_lock.is_recorded(recipe.stem):
        earlier = run.store.complete_entry(recipe.stem)
        if earlier and earlier.study not in {"", recipe.identity}:
            raise locked("of this protocol")


def _repetition_warnings(metric: str, selected: Trial, value: float) -> tuple[str, ...]:
    """Return a warning if the selected trial, trained again, has another validation metric."""
    if abs(value - (selected.value or 0.0)) < 1e-9:
        return ()
    return (
        f"trial {selected.number} had {metric} {selected.value:.6f} on validation when it was selected and {value:.6f} when it "
        "was trained again: the machine or a package has changed in between",
    )
