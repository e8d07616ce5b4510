"""Which recipes are fine-tuned: those that the user names, and the best by validation, at most one of each backbone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.benchmark.fine_tuning.planned import place_of
from cxrbench.benchmark.fine_tuning.rows import rows_job
from cxrbench.config.recipe import name_in_table
from cxrbench.errors import ConfigError, DiskFull, StorageLost, WorkersUnavailable, unknown_name
from cxrbench.models.fine_tuning.jobs import makes_synthetic_rows, why_not_trainable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cxrbench.benchmark.context import RunContext
    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.config.settings import Settings
    from cxrbench.execution.executor import Executor
    from cxrbench.leaderboard.store.entry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recipe whose heads are selected.

    Attributes:
        recipe: as it was planned.
        entry: the result of its heads.
        learns_from: as of `PlannedRecipe`.
        remarks: why it is fine-tuned in place of another one, or in another way than the user asked for.
    """

    recipe: PlannedRecipe
    entry: Entry
    learns_from: str = "all"
    remarks: tuple[str, ...] = ()


def candidates(run: RunContext) -> list[Candidate]:
    """Return the recipes to fine-tune, each once; those that are passed over are named with the reason."""
    finished = _finished(run)
    wanted = run.plan.request.settings.fine_tune
    names = [name_in_table(text) for text in wanted if not text.isdecimal()]
    for name in set(names).difference(str(one.recipe) for one in finished):
        run.callbacks.progress.warn(f"{name} cannot be fine-tuned: its heads have no result")
    chosen = {str(one.recipe): one for one in finished if str(one.recipe) in names and not _said(run, one)}
    for count in (int(text) for text in wanted if text.isdecimal()):
        chosen |= {str(one.recipe): one for one in _best(run, finished, count) if str(one.recipe) not in chosen}
    return [_with_place(run, one) for one in chosen.values()]


def check_wanted(settings: Settings, known: Sequence[str]) -> None:
    """Check which recipes are to be fine-tuned, before any work.

    Raises:
        ConfigError: a number that is not positive, a recipe that the run does not have, or no heads are kept to start from.
    """
    if settings.fine_tune and not settings.models:
        raise ConfigError("--fine-tune starts from the heads that a run keeps: leave --no-models out")
    for text in settings.fine_tune:
        if text.isdecimal() and int(text) == 0:
            raise ConfigError("--fine-tune 0: give the number of recipes, from 1, or the name of a recipe")
        if not text.isdecimal() and name_in_table(text) not in known:
            raise unknown_name("recipe to fine-tune", name_in_table(text), known)


def check_layer(plan: Plan, executor: Executor) -> None:
    """Check, before any work, that a backbone has the layer after which the user wants to cut.

    Raises:
        ConfigError: no backbone of the run can be cut there; the message has the reason for each.
    """
    settings = plan.request.settings
    if not settings.fine_tune or settings.fine_tune_from in {"all", "auto"}:
        return
    found = {
        str(one.recipe.backbone.component): one.features
        for one in plan.recipes
        if isinstance(one.features, RecipeFeatures) and not one.features.is_searched and not one.recipe.backbone.spec.control
    }
    place = settings.fine_tune_from
    reasons = {name: _why_not_from(executor, features, place) for name, features in found.items()}
    if reasons and all(reasons.values()):
        problems = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise ConfigError(f"--fine-tune-from {place} cannot be used. {problems}")


def _finished(run: RunContext) -> list[Candidate]:
    """Return the recipes with a result, the best by validation first."""
    found = [(recipe, run.store.complete_entry(recipe.stem)) for recipe in run.plan.recipes]
    complete = [Candidate(recipe=recipe, entry=entry) for recipe, entry in found if entry]
    metric = run.protocol.metric
    return sorted(complete, key=lambda one: (-(one.entry.validation(metric) or 0.0), str(one.recipe)))


def _best(run: RunContext, finished: Sequence[Candidate], count: int) -> Iterator[Candidate]:
    """Yield the best recipes that can be fine-tuned, one of each backbone."""
    refused: dict[str, str] = {}
    passed: dict[str, str] = {}
    taken: set[str] = set()
    for one in finished:
        backbone = one.entry.backbone
        if len(taken) == count:
            break
        if one.entry.control or backbone in taken or backbone in refused:
            continue
        if reason := _backbone_problem(run, one):
            refused[backbone] = reason
            run.callbacks.progress.say(f"{backbone} cannot be fine-tuned: {reason}")
        elif reason := _strategy_problem(run, one):
            passed.setdefault(backbone, f"{one.entry.recipe} was better on validation, but cannot be fine-tuned: {reason}")
        else:
            taken.add(backbone)
            yield replace(one, remarks=(passed[backbone],) if backbone in passed else ())
    if len(taken) < count:
        possible = f"only {', '.join(sorted(taken))}" if taken else "no backbone"
        run.callbacks.progress.warn(f"--fine-tune {count}: {possible} can be fine-tuned")


def _said(run: RunContext, one: Candidate) -> str:
    """Return why a recipe that the user names cannot be fine-tuned, and say it; an empty string if it can."""
    reason = _backbone_problem(run, one) or _strategy_problem(run, one)
    if reason:
        run.callbacks.progress.warn(f"{one.recipe} cannot be fine-tuned: {reason}")
    return reason


def _backbone_problem(run: RunContext, one: Candidate) -> str:
    features, wanted = one.recipe.features, run.plan.request.settings.fine_tune_from
    if not isinstance(features, RecipeFeatures):
        return "its weights cannot be had"
    if features.is_searched:
        return "the search sets parameters of its backbone"
    return _why_not_from(run.executor, features, "all" if wanted == "auto" else wanted)


def _with_place(run: RunContext, one: Candidate) -> Candidate:
    """Return a candidate that learns from where the user wants; all of it learns where ``auto`` finds no place to cut."""
    wanted, features = run.plan.request.settings.fine_tune_from, one.recipe.features
    assert isinstance(features, RecipeFeatures)
    if wanted == "auto" and (reason := _why_not_from(run.executor, features, wanted)):
        return replace(one, remarks=(*one.remarks, f"all of the network was trained, not its upper half: {reason}"))
    return replace(one, learns_from=wanted)


def _why_not_from(executor: Executor, features: RecipeFeatures, learns_from: str) -> str:
    backbone = features.views[0].frozen_backbone
    return _found(lambda: executor.submit(why_not_trainable, backbone, place_of(learns_from)).result())


def _strategy_problem(run: RunContext, one: Candidate) -> str:
    def check() -> str:
        for fold in one.entry.folds:
            job = rows_job(run, one.recipe, fold.fold)
            if run.executor.submit(makes_synthetic_rows, job, dict(fold.params)).result():
                return f"{one.entry.imbalance} makes rows of features, not images"
        return ""

    return _found(check)


def _found(check: Callable[[], str]) -> str:
    """Return what a check finds; nothing if it fails, as the training then fails alike, and its row says why.

    Raises:
        DiskFull, StorageLost, WorkersUnavailable: no result of any recipe can be had or recorded any more.
    """
    try:
        return check()
    except (DiskFull, StorageLost, WorkersUnavailable):
        raise
    except Exception:
        return ""
