"""The story on one page.

Declare -> load -> decode -> split -> features -> imbalance -> search -> evaluate once -> leaderboard.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.component import bind, parse_component
from cxrbench.config import Protocol
from cxrbench.contest import Contest, Prepared, check_engine, compete
from cxrbench.data.audit import audit_dataset, audit_split
from cxrbench.data.dataset import LoadedDataset, load_dataset
from cxrbench.data.pixels import Decoding
from cxrbench.data.source import downloads_folder, find_dataset, read_images
from cxrbench.data.split import default_split, split_dataset
from cxrbench.downloads import Downloader
from cxrbench.errors import CxrbenchError, Unavailable
from cxrbench.execution import Executor, open_executor, refuse_inside_worker
from cxrbench.features.extraction import CHANNELS, Extraction, extractions
from cxrbench.features.schedule import extract_missing
from cxrbench.features.weights import get_weights
from cxrbench.leaderboard.folder import ProtocolFolder, check_writable
from cxrbench.lineup import line_up
from cxrbench.plugin.specs import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxrbench.component import Part
    from cxrbench.config import Settings
    from cxrbench.features.schedule import Extracted
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.entry import Entry
    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Dataset
    from cxrbench.progress import Progress
    from cxrbench.recipe import Recipe


def run(settings: Settings, host: Host, progress: Progress) -> Board:
    """Give every recipe the same search under the same protocol and return the ranked board.

    Raises:
        ConfigError: a setting that cannot be meant.
        DataError: images that no fair comparison can be made with.
        KeyboardInterrupt: what was finished is on disk; the same call goes on from there.
    """
    refuse_inside_worker()
    downloader = Downloader(folder=downloads_folder(), offline=settings.offline, say=progress.say)
    check_writable(settings.out)
    source = find_dataset(settings.data, host)
    engine = _engine(settings, host)
    check_engine(engine, settings.threshold)
    lineup = line_up(host, settings, downloader)

    dataset = load(source, settings, downloader, progress)
    warnings = audit_dataset(dataset, strict=settings.strict_data)
    protocol = _protocol(settings, source, dataset, engine)
    split = split_dataset(dataset, protocol.split, protocol.seed)
    warnings += audit_split(dataset, split)
    for warning in warnings:
        progress.warn(warning)

    folder = ProtocolFolder(out=settings.out, protocol=protocol)
    folder.begin()
    contest = Contest(protocol=protocol, engine=engine, dataset=dataset, split=split, warnings=warnings, folder=folder)
    host.notify("on_run_start", progress.warn, protocol=protocol, recipes=lineup.recipes)
    try:
        with open_executor(settings.workers) as executor:
            _Run(contest, host, progress, executor).hold(lineup.recipes, downloader, abreast=1 + settings.workers // 2)
    finally:
        board = folder.close()
    host.notify("on_run_end", progress.warn, board=board)
    if lineup.left_out:
        names = ", ".join(lineup.left_out)
        progress.say(
            f"left out, because their weights are not on this machine: {names}; fetch them with: cxrbench run --download"
        )
    return board


def load(source: Part[Dataset], settings: Settings, downloader: Downloader, progress: Progress) -> LoadedDataset:
    """Read and decode the images of a dataset."""
    decoding = Decoding(size=settings.image_size, resize=settings.resize, threads=max(1, settings.workers))
    images = read_images(source, downloader.fetch)
    return load_dataset(images, decoding, lambda done, total: progress.count("images", done, total))


def _engine(settings: Settings, host: Host) -> Part[Engine]:
    component = parse_component(settings.engine)
    return bind(component, host.find(Engine, component.name))


def _protocol(settings: Settings, source: Part[Dataset], dataset: LoadedDataset, engine: Part[Engine]) -> Protocol:
    equal = Protocol.model_fields.keys() & type(settings).model_fields.keys() - {"engine", "split"}
    return Protocol(
        **{name: getattr(settings, name) for name in equal},
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        notice=source.spec.notice,
        split=settings.split or default_split(dataset.records),
        engine=str(engine.component),
    )


@dataclass(frozen=True)
class _Run:
    """The part of the story that has workers: features of all recipes, then their studies, a few abreast."""

    contest: Contest
    host: Host
    progress: Progress
    executor: Executor

    def hold(self, recipes: Iterable[Recipe], downloader: Downloader, *, abreast: int) -> None:
        """Finish every recipe that an earlier run has not."""
        waiting = [recipe for recipe in recipes if not self.contest.finished(recipe)]
        wanted = self._extractions(waiting, downloader)
        outcomes = extract_missing([one for of_recipe in wanted.values() for one in of_recipe], self.executor, self.progress)
        threads = ThreadPoolExecutor(abreast)
        try:
            calls = [threads.submit(self._compete, recipe, views, outcomes) for recipe, views in wanted.items()]
            if calls:
                self.progress.count("recipes", 0, len(calls))
            for done, call in enumerate(as_completed(calls), start=1):
                call.result()
                self.progress.count("recipes", done, len(calls))
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def _extractions(self, recipes: Iterable[Recipe], downloader: Downloader) -> dict[Recipe, list[Extraction]]:
        """Return what each recipe needs extracted; those whose weights cannot be had are entered as unavailable."""
        pixels, seed = self.contest.dataset.pixels, self.contest.protocol.seed
        input_shape = (pixels.size, pixels.size, CHANNELS)
        wanted = {}
        for recipe in recipes:
            try:
                weights = get_weights(recipe.backbone, input_shape, downloader)
                wanted[recipe] = extractions(pixels, recipe.backbone, recipe.augmentation, weights, seed)
            except Unavailable as error:
                self._enter(recipe, self.contest.blank_entry(recipe, "unavailable", str(error)))
            except CxrbenchError as error:
                self._enter(recipe, self.contest.blank_entry(recipe, "failed", str(error)))
        return wanted

    def _compete(self, recipe: Recipe, views: list[Extraction], outcomes: Mapping[Extraction, Extracted]) -> None:
        problem = next((outcomes[view].problem for view in views if outcomes[view].problem), "")
        if problem:
            self._enter(recipe, self.contest.blank_entry(recipe, "failed", problem))
            return
        prepared = Prepared(views=tuple(view.features for view in views), seconds=sum(outcomes[view].seconds for view in views))

        def on_trial(trial: Trial) -> None:
            self.host.notify("on_trial_end", self.progress.warn, recipe=recipe, trial=trial)

        self._enter(recipe, compete(self.contest, recipe, prepared, self.executor, on_trial))

    def _enter(self, recipe: Recipe, entry: Entry) -> None:
        self.contest.folder.add(recipe, entry)
        result = (
            f"{self.contest.protocol.metric} {entry.metrics[self.contest.protocol.metric]:.3f}"
            if entry.metrics
            else entry.reason
        )
        self.progress.say(f"{recipe}: {entry.status}, {result}")
        self.host.notify("on_entry", self.progress.warn, entry=entry)
