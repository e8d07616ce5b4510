"""Run many recipes at once, in this process and beside others, each exactly once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from cxrbench.benchmark.callbacks import TRIALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.leaderboard.store.entry import Entry

    RunRecipe = Callable[[RunContext, PlannedRecipe], Entry]

LOCK_RETRY_SECONDS = 0.5
"""Pause before recipes that other processes have locked are tried again."""
LEAST_ON_CLUSTER = 8
"""Workers of a scheduler that a run prepares calls for; more of them may come than are there when it begins."""


def run_recipes(run: RunContext, run_recipe: RunRecipe) -> list[Entry]:
    """Run every recipe without a result as soon as its features are there, and return the entries.

    Recipes that another process runs are left to it and waited for at the end. Enough studies run at once that no worker waits
    for the last trial of a generation.
    """
    recipes, progress, protocol = run.plan.unfinished, run.callbacks.progress, run.protocol
    progress.begin(TRIALS, sum(recipe.budget.get("trials", protocol.trials) for recipe in recipes) * protocol.folds)
    workers = max(run.executor.workers, LEAST_ON_CLUSTER if run.plan.request.settings.scheduler else 1)
    max_concurrent = 1 + workers // 2
    threads = ThreadPoolExecutor(max_concurrent)

    def try_each(recipes: Iterable[PlannedRecipe]) -> dict[str, Entry]:
        calls = [threads.submit(_run_unless_locked, run, recipe, run_recipe) for recipe in recipes]
        return {entry.name: entry for call in as_completed(calls) if (entry := call.result())}

    try:
        entries = try_each(recipes)
        if locked := [str(recipe) for recipe in recipes if str(recipe) not in entries]:
            progress.say(f"waiting for another process, which runs {', '.join(locked)}")
        while left := [recipe for recipe in recipes if str(recipe) not in entries]:
            time.sleep(LOCK_RETRY_SECONDS)
            entries |= try_each(left)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    return list(entries.values())


def _run_unless_locked(run: RunContext, recipe: PlannedRecipe, run_recipe: RunRecipe) -> Entry | None:
    """Return the entry of a recipe, with or without a result; None while another process runs it."""
    with run.store.try_lock_recipe(recipe.stem, recipe.identity) as is_mine:
        if not is_mine:
            return None
        if entry := _entry_of_another_process(run, recipe):
            run.callbacks.on_entry_of_another_process(entry)
            return entry
        entry = run_recipe(run, recipe)
        written = run.store.add(recipe.stem, entry)
    run.callbacks.on_entry(entry, written=written)
    return entry


def _entry_of_another_process(run: RunContext, recipe: PlannedRecipe) -> Entry | None:
    """Return the entry that another process has written since the plan was made, unless it is of something else."""
    entry = run.store.entry_since(recipe.stem, run.plan.stamps)
    return entry if entry and (entry.status != "complete" or run.plan.is_finished(recipe)) else None
