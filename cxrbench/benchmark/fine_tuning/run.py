"""Fine-tune the best recipes of a run: each is searched, frozen and scored like heads, and is a row of its own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.fine_tuning.candidates import candidates
from cxrbench.benchmark.fine_tuning.planned import planned_network
from cxrbench.benchmark.fine_tuning.studies import checkpoints
from cxrbench.benchmark.recipes import run_recipes

if TYPE_CHECKING:
    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.recipes import RunRecipe
    from cxrbench.leaderboard.store.entry import Entry


def fine_tune_best(run: RunContext, run_recipe: RunRecipe) -> list[Entry]:
    """Fine-tune the recipes that are named, and the best by validation; return the entries that were computed."""
    settings = run.plan.request.settings
    if not settings.fine_tune:
        return []
    rows = tuple(planned_network(one, settings) for one in candidates(run))
    plan = replace(run.plan, recipes=rows, stamps=run.store.stamps(row.stem for row in rows))
    plan = replace(plan, unfinished=tuple(row for row in rows if settings.fresh or not plan.is_finished(row)))
    entries = run_recipes(replace(run, plan=plan), run_recipe)
    for row in rows:
        if plan.is_finished(row):
            for study in row.studies:
                shutil.rmtree(checkpoints(study), ignore_errors=True)
    return entries
