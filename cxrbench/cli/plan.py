"""`cxrbench run --plan`: show what would be run, what is missing, and what it will cost."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

from cxrbench.cli import console
from cxrbench.cli.progress_bars import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.benchmark.estimate import Estimate
    from cxrbench.benchmark.fine_tuning.estimate import NetworkEstimate
    from cxrbench.benchmark.plan import Plan
    from cxrbench.config.settings import Settings
    from cxrbench.plugin.host import Host

RECIPE_HEADINGS = ("recipe", "trials to run", "features")


def print_plan(settings: Settings, host: Host, *, as_json: bool) -> None:
    """Print the plan of a run with an estimate of its time and disk; nothing of it is run."""
    from cxrbench.benchmark.estimate import estimate_run

    with console.ConsoleProgress() as progress:
        progress.say("timing samples of the work on this machine")
        plan, estimate = estimate_run(settings, host, progress)
    if as_json:
        skipped = list(plan.request.grid.skipped_backbones)
        console.print_json({"protocol": plan.protocol.name, "skipped_backbones": skipped, **asdict(estimate)})
        return
    rows = [(recipe.recipe, str(recipe.trials), recipe.features) for recipe in estimate.recipes]
    console.print_table(RECIPE_HEADINGS, rows)
    console.print_facts(_facts(plan, estimate))


def _facts(plan: Plan, estimate: Estimate) -> dict[str, object]:
    from cxrbench.storage.files import home, nearest_existing

    settings = plan.request.settings
    workers = f"the workers of {settings.scheduler}" if settings.scheduler else f"{settings.workers} workers"
    images = sum(len(catalogue.images.records) for catalogue in plan.catalogues.all)
    skipped = ", ".join(plan.request.grid.skipped_backbones)
    unknown = sum(recipe.features not in {"cached", "to extract"} for recipe in estimate.recipes)
    return {
        "results": plan.store.path,
        "images": f"{images:,}, of which {images - estimate.undecoded:,} are decoded",
        "recipes": f"{len(plan.recipes)}, of which {len(plan.recipes) - len(plan.unfinished)} are finished",
        "trials": f"{sum(recipe.trials for recipe in estimate.recipes):,} to run",
        **_networks(estimate.networks),
        **({"weights not found": f"{skipped}. Fetch them with --download"} if skipped else {}),
        "time": f"about {duration(estimate.seconds)}" + (f" with {workers}" if settings.scheduler or settings.workers else ""),
        **({"not estimated": f"{unknown} recipes, whose features are searched or cannot be extracted now"} if unknown else {}),
        "disk": f"about {_megabytes(estimate.cache_bytes)} for the cache and {_megabytes(estimate.result_bytes)} for results; "
        f"{_megabytes(shutil.disk_usage(nearest_existing(home())).free)} are free"
        + (". Networks are not counted" if estimate.networks else ""),
    }


def _networks(networks: Sequence[NetworkEstimate]) -> dict[str, object]:
    """Return what is known of each network that is trained after the heads."""
    known = "; ".join(f"{one.network}: {one.problem or f'about {duration(one.seconds)}'}" for one in networks)
    return {"networks": known} if known else {}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
