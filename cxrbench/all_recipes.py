"""All recipes of a run: the features of all of them first, then their studies, a few abreast."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from cxrbench.errors import Unavailable
from cxrbench.execution import reason_of
from cxrbench.features.extraction import CHANNELS, Extraction, extractions
from cxrbench.features.schedule import extract_missing
from cxrbench.features.weights import Weights, get_weights
from cxrbench.one_recipe import Prepared, compete

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxrbench.component import Part
    from cxrbench.contest import Contest
    from cxrbench.downloads import Downloader
    from cxrbench.execution import Executor
    from cxrbench.features.schedule import Extracted
    from cxrbench.leaderboard.entry import Entry, Status
    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Backbone
    from cxrbench.progress import Progress
    from cxrbench.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Audience:
    """Who hears of a run: the observers among the plugins, and whoever watches the progress."""

    host: Host
    progress: Progress
    one_at_a_time: Lock = field(default_factory=Lock)

    def hear_trial(self, recipe: Recipe, trial: Trial) -> None:
        """Tell of a finished trial."""
        self.progress.advance("trials")
        with self.one_at_a_time:
            self.host.notify("on_trial_end", self.progress.warn, recipe=recipe, trial=trial)

    def hear_entry(self, entry: Entry) -> None:
        """Tell of an entry that was written."""
        metric = entry.selected_by
        result = f"{metric} {entry.validation[metric]:.3f} on validation" if metric else entry.reason
        self.progress.say(f"{entry.recipe}: {entry.status}, {result}")
        with self.one_at_a_time:
            self.host.notify("on_entry", self.progress.warn, entry=entry)


def enter_all(
    contest: Contest,
    recipes: Iterable[Recipe],
    downloader: Downloader,
    executor: Executor,
    audience: Audience,
    *,
    abreast: int,
) -> None:
    """Enter every recipe that an earlier run has not finished, whatever becomes of it.

    Args:
        contest: what they share.
        recipes: who takes part.
        downloader: brings weights.
        executor: where shards and trials are computed.
        audience: told of trials and entries.
        abreast: studies at a time, so that workers need not wait for the last trial of a generation.
    """
    needed = _extractions(contest, recipes, downloader, audience)
    wanted = {recipe: views for recipe, views in needed.items() if not _is_finished(contest, recipe, views)}
    outcomes = extract_missing([one for of_recipe in wanted.values() for one in of_recipe], executor, audience.progress)
    audience.progress.begin("trials", len(wanted) * contest.protocol.trials)

    def enter(recipe: Recipe, views: list[Extraction]) -> None:
        _enter(contest, recipe, _compete(contest, recipe, _prepared(views, outcomes), executor, audience), audience)

    threads = ThreadPoolExecutor(abreast)
    try:
        for call in as_completed([threads.submit(enter, recipe, views) for recipe, views in wanted.items()]):
            call.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _extractions(
    contest: Contest, recipes: Iterable[Recipe], downloader: Downloader, audience: Audience
) -> dict[Recipe, list[Extraction]]:
    """Return what each recipe needs extracted; those whose weights cannot be had are entered as unavailable."""
    pixels, seed = contest.dataset.pixels, contest.protocol.seed
    input_shape = (pixels.size, pixels.size, CHANNELS)
    needed: dict[Recipe, list[Extraction]] = {}
    found: dict[Part[Backbone], Weights | tuple[Status, str]] = {}
    for recipe in recipes:
        if recipe.backbone not in found:
            found[recipe.backbone] = _weights(recipe.backbone, input_shape, downloader)
        match found[recipe.backbone]:
            case Weights() as weights:
                needed[recipe] = extractions(pixels, recipe.backbone, recipe.augmentation, weights, seed)
            case (status, reason):
                _enter(contest, recipe, contest.blank_entry(recipe, status, reason), audience)
    return needed


def _weights(
    backbone: Part[Backbone], input_shape: tuple[int, int, int], downloader: Downloader
) -> Weights | tuple[Status, str]:
    """Return the weights of a backbone, or the status and reason of every recipe that needs them."""
    try:
        return get_weights(backbone, input_shape, downloader)
    except Unavailable as error:
        return "unavailable", str(error)
    except Exception as error:
        return "failed", reason_of(error)


def _is_finished(contest: Contest, recipe: Recipe, views: Iterable[Extraction]) -> bool:
    """Return whether an earlier run finished this recipe, with the same features and plugins."""
    return contest.folder.finished(recipe, contest.study_identity(recipe, [view.features for view in views]))


def _prepared(views: list[Extraction], outcomes: Mapping[Extraction, Extracted]) -> Prepared:
    return Prepared(
        views=tuple(view.features for view in views),
        seconds=sum(outcomes[view].seconds for view in views),
        problem=next((outcomes[view].problem for view in views if outcomes[view].problem), ""),
    )


def _compete(contest: Contest, recipe: Recipe, prepared: Prepared, executor: Executor, audience: Audience) -> Entry:
    new: list[Trial] = []

    def on_trial(trial: Trial) -> None:
        new.append(trial)
        audience.hear_trial(recipe, trial)

    entry = compete(contest, recipe, prepared, executor, on_trial)
    audience.progress.advance("trials", contest.protocol.trials - len(new))  # on record before, or never to be
    return entry


def _enter(contest: Contest, recipe: Recipe, entry: Entry, audience: Audience) -> None:
    contest.folder.add(recipe, entry)
    audience.hear_entry(entry)
