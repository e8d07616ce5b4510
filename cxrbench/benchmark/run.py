"""The story of a run: plan, extract, and for every recipe and fold search, freeze, score once; train networks; publish."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.benchmark.baseline import add_baseline
from cxrbench.benchmark.callbacks import Callbacks
from cxrbench.benchmark.context import closing_run, open_run
from cxrbench.benchmark.entries import NoResult, Result, build_entry, recipe_subject
from cxrbench.benchmark.external import score_externals
from cxrbench.benchmark.extraction import decode_and_list, start_extraction
from cxrbench.benchmark.fine_tuning.candidates import check_layer
from cxrbench.benchmark.fine_tuning.run import train_networks
from cxrbench.benchmark.fine_tuning.studies import open_networks
from cxrbench.benchmark.outcomes import FinishedSearch, FoldOutcome, failure_of, fold_outcome, recipe_result
from cxrbench.benchmark.plan import in_new_attempt, make_plan
from cxrbench.benchmark.recipes import run_recipes
from cxrbench.benchmark.request import read_request
from cxrbench.benchmark.resources import open_resources
from cxrbench.benchmark.selection import freeze, freeze_mean, score_test
from cxrbench.benchmark.shifts import score_shifts
from cxrbench.benchmark.sizes import parameter_counts
from cxrbench.benchmark.studies import FoldStudy, open_heads
from cxrbench.benchmark.workers import processor_remarks
from cxrbench.errors import DiskFull, StorageLost, WorkersUnavailable
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.execution.executor import refuse_inside_import
from cxrbench.leaderboard.publish import publish
from cxrbench.search.study import run_study, select_trial
from cxrbench.storage.files import check_writable, home

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.settings import Settings
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.entry import Entry
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


def run_benchmark(settings: Settings, host: Host, progress: Progress, expected: Protocol | None = None) -> RunOutcome:
    """Give every recipe the same search under the same protocol, and rank the results.

    Args:
        settings: of the run.
        host: the plugins.
        progress: shows what happens.
        expected: a protocol whose images these must be.

    Raises:
        ConfigError: an invalid setting, or other images than the expected ones.
        DataError: the images do not allow a fair comparison.
        DiskFull: finished work is kept, as it is after a KeyboardInterrupt; the same call resumes the run.
        StorageLost: the database of studies stays unavailable; likewise.
        WorkersUnavailable: worker processes cannot start; likewise.
    """
    refuse_inside_import()
    callbacks = Callbacks(host=host, progress=progress)
    request = read_request(settings, host, progress)
    check_writable(settings.out, "--out")
    check_writable(home(), "CXRBENCH_HOME")
    with open_resources(request, callbacks) as resources:  # workers import Keras while the plan is made
        decode = partial(decode_and_list, progress=progress)
        plan = make_plan(request, resources.database, expected, decode)  # protocol, recipes, identities
        check_layer(plan, resources.executor)
        if settings.fresh:
            plan = in_new_attempt(plan)
            progress.say(f"attempt {plan.store.attempt} in {plan.store.path}. To resume it, run again without --fresh")
        with closing_run(plan, resources.executor):
            extraction = start_extraction(plan, resources)  # workers extract features while images are decoded
            run = open_run(plan, resources, extraction)  # the images are audited and split, the test images locked
            add_baseline(run)
            computed = run_recipes(run, run_recipe)
            computed += train_networks(run, run_recipe)
            board = publish(plan.store)
    callbacks.on_run_end(board)
    entries = {entry.name: entry for entry in (*board.entries, *computed)}
    names = dict.fromkeys((*map(str, plan.recipes), *(entry.name for entry in computed)))
    return RunOutcome(
        board=board,
        entries=tuple(entries[name] for name in names),
        skipped_backbones=request.grid.skipped_backbones,
    )


def run_recipe(run: RunContext, recipe: PlannedRecipe) -> Entry:
    """Search, freeze and score every fold of a recipe; any failure becomes the reason of its entry.

    Raises:
        DiskFull, StorageLost, WorkersUnavailable: no result of any recipe can be had or recorded any more.
    """
    studies: list[FoldStudy] = []
    outcome: Result | NoResult
    try:
        opened = open_heads(run, recipe) if recipe.stage == "head" else open_networks(run, recipe)
        start, studies = time.perf_counter(), opened.studies
        folds = [run_fold(run, recipe, study) for study in studies]
        development = _write_predictions(run, recipe, folds)
        selections = [selection for fold in folds for selection in fold.selections]
        scored = score_externals(run, recipe, opened.source, selections) + score_shifts(run, recipe, opened.source, selections)
        seconds = _in_all_runs(run, recipe, {"features": opened.seconds, "elapsed": time.perf_counter() - start})
        result = recipe_result(run.protocol, recipe, folds, seconds)
        parameters = parameter_counts(run, recipe, folds[0])
        outcome = replace(
            result,
            parameters=parameters,
            development=development,
            warnings=(*recipe.remarks, *result.warnings, *scored, *processor_remarks(run.executor.processors)),
        )
    except (DiskFull, StorageLost, WorkersUnavailable):
        raise
    except Exception as error:
        outcome = failure_of(error, studies)
    return build_entry(run.facts, recipe_subject(recipe, run.plan.request.engine), outcome)


def run_fold(run: RunContext, recipe: PlannedRecipe, fold_study: FoldStudy) -> FoldOutcome:
    """Search on the training and validation images of a fold, freeze what is selected, and score its test images once."""
    on_trial_end = partial(run.callbacks.on_trial_end, recipe.recipe, recipe.stage)
    trials = run_study(fold_study.study, fold_study.record, run.executor, on_trial_end)
    selected = select_trial(trials)
    job = fold_study.study.job_of(selected.params)
    selections = freeze(run, fold_study.fold, job, selected)
    mean = freeze_mean(run, selections, job, selected)
    scored = [score_test(run, recipe, selection) for selection in selections]
    scored_mean = score_test(run, recipe, mean) if mean else None
    search = FinishedSearch(trials=trials, selected=selected, views=job.extracted)
    return fold_outcome(run.protocol, fold_study, search, scored, scored_mean)


def _in_all_runs(run: RunContext, recipe: PlannedRecipe, seconds: Mapping[str, float]) -> dict[str, float]:
    """Add the seconds of the runs before, if the recipe has a result that is scored on something new now."""
    entry = run.store.result(recipe.stem, recipe.identity)
    before = entry.seconds if entry else {}
    return {name: value + before.get(name, 0.0) for name, value in seconds.items()}


def _write_predictions(run: RunContext, recipe: PlannedRecipe, folds: Sequence[FoldOutcome]) -> tuple[str, ...]:
    """Store the scores of all folds; return the names of the development shifts, whose scores have tables of their own."""
    write_predictions(run.store.predictions(recipe.stem), (one for fold in folds for one in fold.predictions))
    names = tuple(map(str, run.plan.request.development))
    for number, name in enumerate(names):
        path = run.store.development(recipe.stem, name)
        write_predictions(path, (one for fold in folds for one in fold.under_development(number)))
    return names
