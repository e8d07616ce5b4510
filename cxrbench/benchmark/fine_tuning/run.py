"""Train whole networks, from their heads or from random weights: each is a row that is run like those of heads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.fine_tuning.candidates import candidates
from cxrbench.benchmark.fine_tuning.planned import planned_fine_tuning
from cxrbench.benchmark.fine_tuning.studies import checkpoints
from cxrbench.benchmark.recipes import run_recipes
from cxrbench.storage.cache import remove_folders

if TYPE_CHECKING:
    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.recipes import RunRecipe
    from cxrbench.leaderboard.store.entry import Entry


def train_networks(run: RunContext, run_recipe: RunRecipe) -> list[Entry]:
    """Train what is asked for; return the entries that were computed.

    Fine-tuned are the recipes that are named, and the best by validation.
    """
    settings = run.plan.request.settings
    if not (settings.fine_tune or run.plan.from_scratch):
        return []
    best = (planned_fine_tuning(one, settings) for one in candidates(run)) if settings.fine_tune else ()
    rows = (*best, *run.plan.from_scratch)
    plan = replace(run.plan, recipes=rows, stamps=run.store.stamps(row.stem for row in rows))
    plan = replace(plan, unfinished=tuple(row for row in rows if settings.fresh or not plan.is_finished(row)))
    executor = run.executor.for_networks() if plan.unfinished else run.executor
    entries = run_recipes(replace(run, plan=plan, executor=executor), run_recipe)
    for row in rows:
        with run.store.try_lock_recipe(row.stem, row.identity) as nobody_computes_it:
            if nobody_computes_it and plan.is_finished(row):
                remove_folders([checkpoints(run.store, study) for study in row.studies])
    return entries
