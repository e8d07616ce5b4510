"""All recipes of a run: what they need extracted, and their studies, a few abreast."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING

from cxrbench import errors
from cxrbench.benchmark.context import result_identity
from cxrbench.benchmark.one_fold import Listener, Prepared
from cxrbench.benchmark.one_recipe import compete
from cxrbench.execution.failures import failure_kind, failure_log, failure_reason
from cxrbench.models.features.extraction import CHANNELS, Extraction, clean_view, extractions
from cxrbench.models.features.feature_source import CachedFeatures, LazyFeatures, discover_space
from cxrbench.models.weights import get_weights
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cxrbench.benchmark.context import Contest
    from cxrbench.config.component import Part
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.recipe import Recipe
    from cxrbench.data.decoding.pixels import Pixels
    from cxrbench.data.download import Downloader
    from cxrbench.execution.executor import Executor
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.entry import Entry, Status
    from cxrbench.models.features.schedule import PendingExtractions
    from cxrbench.models.weights import Weights
    from cxrbench.plugin.contracts import Failure, Trial
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Backbone
    from cxrbench.storage.sharded_array import ShardedArray

    Extract = Callable[[Iterable[Extraction]], PendingExtractions]


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

    def hear_resumed(self, where: str, done: int, wanted: int) -> None:
        """Tell that some trials of a study were finished before."""
        self.progress.say(f"{where}: resuming: {done} of {wanted} trials are done")
        self.progress.skip("trials", done)

    def hear_theirs(self, entry: Entry) -> None:
        """Tell that another process has entered a recipe."""
        self.progress.skip("trials", entry.protocol.trials * entry.protocol.folds)
        self.progress.say(f"{entry.recipe}: entered by another process")

    def hear_entry(self, entry: Entry, *, written: bool) -> None:
        """Tell what a recipe came to; observers hear of entries that were written."""
        metric = entry.selected_by
        result = f"{metric} {entry.validation(metric):.3f} on validation" if metric else entry.reason
        self.progress.say(f"{entry.recipe}: {entry.status}, {result}")
        if not written:
            return
        with self.one_at_a_time:
            self.host.notify("on_entry", self.progress.warn, entry=entry)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why the features of a recipe cannot be had, and what that makes of its entry."""

    status: Status
    reason: str
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a recipe needs extracted.

    Attributes:
        views: of the protocol's images, the clean view first.
        external: the clean view of each further test set, by its name.
    """

    views: tuple[Extraction, ...]
    external: Mapping[str, Extraction]

    @property
    def is_searched(self) -> bool:
        """Whether the backbone has parameters that the search sets, so that features are extracted for each setting."""
        return bool(self.views[0].backbone.spec.space)

    @property
    def folders(self) -> tuple[ShardedArray, ...]:
        """Where the views lie; of a searched backbone, what they would be called without a setting."""
        return tuple(one.features for one in self.views)


AGAIN = 0.5
"""Seconds until recipes that other processes are at are looked at again."""

Needed = dict["Recipe", "Features | Unavailable"]
"""What each recipe needs extracted."""


def needed_features(
    recipes: Iterable[Recipe], pixels: Pixels, external: Mapping[str, Pixels], protocol: Protocol, downloader: Downloader
) -> Needed:
    """Return what each recipe needs extracted; weights that are not on the machine are fetched."""
    input_shape = (pixels.size, pixels.size, CHANNELS)
    weights = cache(partial(_weights, input_shape=input_shape, downloader=downloader))
    needed: Needed = {}
    for recipe in recipes:
        match weights(recipe.backbone):
            case Unavailable() as unavailable:
                needed[recipe] = unavailable
            case found:
                needed[recipe] = Features(
                    views=extractions(pixels, recipe.backbone, recipe.augmentation, found, protocol),
                    external={
                        name: clean_view(of_external, recipe.backbone, found, protocol)
                        for name, of_external in external.items()
                    },
                )
    return needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """What it takes to enter recipes.

    Attributes:
        contest: what they share.
        underway: what is being extracted for them.
        executor: where shards and trials are computed.
        audience: told of trials and entries.
        extract: has features extracted for the settings of searched backbones.
        entered: tells the entry of a recipe if another process has written one meanwhile that will do.
    """

    contest: Contest
    underway: PendingExtractions
    executor: Executor
    audience: Audience
    extract: Extract
    entered: Callable[[Recipe, Features | Unavailable], Entry | None]

    def enter(self, recipe: Recipe, features: Features | Unavailable) -> Entry | None:
        """Return a recipe's entry, whatever it came to; None if another process is at it."""
        with self.contest.folder.held(recipe.file_stem, _study_of(self.contest, recipe, features)) as is_free:
            if not is_free:
                return None
            if theirs := self.entered(recipe, features):
                self.audience.hear_theirs(theirs)
                return theirs
            entry = self._own(recipe, features)
            written = self.contest.folder.add(recipe.file_stem, entry)
        self.audience.hear_entry(entry, written=written)
        return entry

    def _own(self, recipe: Recipe, features: Features | Unavailable) -> Entry:
        if isinstance(features, Unavailable):
            return self.contest.blank_entry(recipe, features.status, features.reason, failure=features.failure)
        prepared = _prepared(features, self.underway, self.executor, self.extract)
        return _compete(self.contest, recipe, prepared, self.executor, self.audience)


def enter_all(entering: Entering, needed: Needed, abreast: int) -> list[Entry]:
    """Enter every recipe that an earlier run has not finished, each as soon as its features are there; return the entries.

    Recipes that another process is at are left to it as long as there are others, and then waited for. So many studies go on
    `abreast` that workers need not wait for the last trial of a generation.
    """
    progress, protocol = entering.audience.progress, entering.contest.protocol
    progress.begin("trials", len(needed) * protocol.trials * protocol.folds)
    threads = ThreadPoolExecutor(abreast)
    try:
        entries = _entered_by_threads(threads, entering.enter, needed)
        if others := [str(recipe) for recipe in needed if recipe not in entries]:
            progress.say(f"waiting for another process, which is at {', '.join(others)}")
        while left := {recipe: features for recipe, features in needed.items() if recipe not in entries}:
            time.sleep(AGAIN)
            entries |= _entered_by_threads(threads, entering.enter, left)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    return list(entries.values())


def _entered_by_threads(
    threads: ThreadPoolExecutor, enter: Callable[[Recipe, Features | Unavailable], Entry | None], needed: Needed
) -> dict[Recipe, Entry]:
    """Enter recipes; return the entries of those that nobody else is at."""
    calls = {threads.submit(enter, recipe, features): recipe for recipe, features in needed.items()}
    return {calls[call]: entry for call in as_completed(calls) if (entry := call.result())}


def _study_of(contest: Contest, recipe: Recipe, features: Features | Unavailable) -> str:
    if isinstance(features, Unavailable):
        return digest(recipe.file_stem)
    return result_identity(contest.protocol, contest.engine, recipe, features.folders)


def _weights(backbone: Part[Backbone], *, input_shape: tuple[int, int, int], downloader: Downloader) -> Weights | Unavailable:
    """Return the weights of a backbone, or what becomes of every recipe that needs them."""
    try:
        return get_weights(backbone, input_shape, downloader)
    except errors.DiskFull:
        raise
    except errors.Unavailable as error:
        return Unavailable("unavailable", str(error), "unavailable")
    except Exception as error:
        return Unavailable("failed", failure_reason(error), failure_kind(error))


def _prepared(features: Features, underway: PendingExtractions, executor: Executor, extract: Extract) -> Prepared:
    """Return where a recipe's features come from; those that no trial's parameters change are waited for."""
    if features.is_searched:
        return _on_demand(features, executor, extract)
    outcomes = [underway.wait(one) for one in features.views]
    external = {name: (one.features, underway.wait(one)) for name, one in features.external.items()}
    failed = next((outcome for outcome in outcomes if outcome.problem), None)
    return Prepared(
        feature_source=CachedFeatures(
            extracted=features.folders,
            of_external={name: outcome.problem or view for name, (view, outcome) in external.items()},
        ),
        base=features.folders,
        seconds=sum(outcome.seconds for outcome in outcomes),
        problem=failed.problem if failed else "",
        failure=failed.failure if failed else None,
        log=failed.log if failed else (),
    )


def _on_demand(features: Features, executor: Executor, extract: Extract) -> Prepared:
    feature_source = LazyFeatures(base=features.views, of_external=features.external, space={}, extract=extract)
    prepared = Prepared(feature_source=feature_source, base=features.folders, seconds=0.0)
    try:
        space = executor.submit(discover_space, features.views[0]).result()
    except errors.DiskFull:
        raise
    except Exception as error:
        return replace(prepared, problem=failure_reason(error), failure=failure_kind(error), log=failure_log(error))
    return replace(prepared, feature_source=replace(feature_source, space=space))


def _compete(contest: Contest, recipe: Recipe, prepared: Prepared, executor: Executor, audience: Audience) -> Entry:
    protocol, heard = contest.protocol, [0]

    def on_trial(trial: Trial) -> None:
        heard.append(1)
        audience.hear_trial(recipe, trial)

    def on_resume(fold: int, done: int) -> None:
        heard.append(done)
        where = f"{recipe}, fold {fold}" if protocol.folds > 1 else str(recipe)
        audience.hear_resumed(where, done, protocol.trials)

    entry = compete(contest, recipe, prepared, executor, Listener(on_resume=on_resume, on_trial=on_trial))
    audience.progress.skip("trials", protocol.trials * protocol.folds - sum(heard))  # those that are never to be
    return entry
