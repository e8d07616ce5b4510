"""The story on one page.

Declare -> load -> decode -> audit and split -> features -> imbalance -> search -> evaluate once -> leaderboard.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.afresh import open_records, start_over
from cxrbench.all_recipes import Audience, Features, Unavailable, enter_all, needed_features
from cxrbench.component import with_relative_paths
from cxrbench.config import Protocol
from cxrbench.contest import Contest, External, Learning, dataset_facts, result_identity
from cxrbench.data.audit import audit, check_classes
from cxrbench.data.dataset import load_dataset
from cxrbench.data.source import downloads_folder, find_dataset
from cxrbench.data.split import default_split, split_dataset
from cxrbench.downloads import Downloader
from cxrbench.errors import ConfigError, CxrbenchError, DataError, DiskFull
from cxrbench.evaluation.seal import SealedTest
from cxrbench.execution import open_executor, refuse_inside_worker
from cxrbench.features.schedule import Underway, extract_missing
from cxrbench.files import check_writable, home, needing_room
from cxrbench.leaderboard.attempts import newest_attempt
from cxrbench.leaderboard.skipped import write_skipped
from cxrbench.lineup import line_up
from cxrbench.majority import NAME as MAJORITY
from cxrbench.majority import enter_majority
from cxrbench.progress import Silence
from cxrbench.search.engine import find_engine
from cxrbench.sources import Sources, decode, external_datasets, kept_below, read_catalogue
from cxrbench.text import all_without_places
from cxrbench.worker_pool import Limits
from cxrbench.worker_process import memory_can_be_limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cxrbench.all_recipes import Needed
    from cxrbench.component import Part
    from cxrbench.config import Settings
    from cxrbench.data.dataset import Catalogue
    from cxrbench.execution import Executor
    from cxrbench.features.extraction import Extraction
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.entry import Entry
    from cxrbench.leaderboard.folder import ProtocolFolder
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Dataset, Engine
    from cxrbench.progress import Progress
    from cxrbench.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to.

    Attributes:
        board: all entries of the protocol, those of earlier runs included.
        entries: those of this run's recipes.
        left_out: backbones that nobody named and whose weights are not on this machine.
    """

    board: Board
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...]


def run(settings: Settings, host: Host, progress: Progress, *, like: Protocol | None = None) -> Outcome:
    """Give every recipe the same search under the same protocol and rank them.

    Args:
        settings: what is asked for.
        host: the plugins.
        progress: hears what happens.
        like: a protocol whose images it must be again.

    Raises:
        ConfigError: a setting that cannot be meant, or other images than those asked for.
        DataError: images that no fair comparison can be made with.
        DiskFull: what was finished is on disk, as it is after a KeyboardInterrupt; the same call goes on from there.
        StorageLost: the database of studies does not come back; likewise.
    """
    refuse_inside_worker()
    downloader = Downloader(folder=downloads_folder(), offline=settings.offline, say=progress.say)
    check_writable(settings.out, "--out")
    check_writable(home(), "CXRBENCH_HOME")
    source = find_dataset(settings.data, host)
    external = external_datasets(settings.external, host)
    engine = find_engine(settings.engine, host, settings.threshold)
    lineup = line_up(host, settings, downloader)
    limits = _limits(settings, progress)

    with (
        ExitStack() as at_end,
        _told_when_full(),
        open_records(settings.storage, progress.warn) as database,
        kept_below(settings.cache_gb, progress) as claim,
        open_executor(settings.workers, limits) as executor,
    ):
        sources = _catalogue(source, external, settings, downloader)  # meanwhile, the workers import Keras
        _check_like(like, settings.data, sources.main)
        folder = newest_attempt(settings.out, _protocol(settings, source, sources.main, engine), database)
        if not settings.fresh:
            folder.check({MAJORITY, *(recipe.file_stem for recipe in lineup.recipes)})
        wanted = _needed(lineup.recipes, sources, folder.protocol, downloader)
        if settings.fresh:
            folder = start_over(folder, engine, wanted, progress)
        at_end.callback(folder.drop_if_empty)
        is_finished = _finished(folder, engine, sources)
        entered = _entered_meanwhile(folder, lineup.recipes, is_finished)
        needed = {recipe: features for recipe, features in wanted.items() if not is_finished(recipe, features)}
        underway = _extract(sources, needed, claim, executor, progress)
        _list_skipped(sources, folder, progress, strict=settings.strict_data)
        contest = _contest(settings, source, engine, sources, folder)
        for warning in contest.warnings:
            progress.warn(warning)
        folder.begin()
        enter_majority(contest)
        host.notify("on_run_start", progress.warn, protocol=contest.protocol, recipes=lineup.recipes)
        audience, abreast = Audience(host, progress), 1 + settings.workers // 2
        extract = _extractor(claim, executor)
        with _tables_in_any_case(folder, executor):
            mine = enter_all(contest, needed, underway, executor, audience, extract=extract, entered=entered, abreast=abreast)
        board = folder.close()
    host.notify("on_run_end", progress.warn, board=board)
    found = {entry.recipe: entry for entry in (*board.entries, *mine)}
    return Outcome(board=board, entries=tuple(found[str(recipe)] for recipe in lineup.recipes), left_out=lineup.left_out)


@contextmanager
def _told_when_full() -> Iterator[None]:
    """Say what is kept, and how to go on, when there is no more room on a disk."""
    try:
        with needing_room(Path(tempfile.gettempdir())):  # what is written elsewhere names its own folder
            yield
    except DiskFull as error:
        raise DiskFull(
            f"no room is left: {error}. Finished trials, features and entries are kept: make room, and the same command goes "
            "on from there"
        ) from None


@contextmanager
def _tables_in_any_case(folder: ProtocolFolder, executor: Executor) -> Iterator[None]:
    """Whatever stops what is done inside, end the workers and rank what is finished."""
    try:
        yield
    except BaseException:
        executor.stop()
        with suppress(CxrbenchError, OSError):  # what stops the run is what its user must hear of
            folder.close()
        raise


def _check_like(like: Protocol | None, data: str, catalogue: Catalogue) -> None:
    if like and like.fingerprint != catalogue.fingerprint:
        raise ConfigError(
            f"--data {data}: these are other images, or other labels or patients, than those asked for ({like.dataset}): "
            f"fingerprint {catalogue.fingerprint[:12]}, not {like.fingerprint[:12]}"
        )


def _catalogue(
    source: Part[Dataset], external: Mapping[str, Part[Dataset]], settings: Settings, downloader: Downloader
) -> Sources:
    """Read all images; raise DataError for an external test set that nothing can be scored on."""
    main = read_catalogue(source, settings, downloader)
    others = {name: read_catalogue(part, settings, downloader) for name, part in external.items()}
    for name, catalogue in others.items():  # and again when it is known which of them can be read
        check_classes(f"--external {name}", np.array([record.label for record in catalogue.images.records]))
    return Sources(main=main, external=others)


def _limits(settings: Settings, progress: Progress) -> Limits:
    if settings.max_memory and not memory_can_be_limited():
        progress.warn("--max-memory is not kept on this system: only Linux holds a process to a limit")
    return Limits(timeout=settings.timeout, memory=settings.max_memory)


def _needed(recipes: Iterable[Recipe], sources: Sources, protocol: Protocol, downloader: Downloader) -> Needed:
    external = {name: catalogue.pixels for name, catalogue in sources.external.items()}
    return needed_features(recipes, sources.main.pixels, external, protocol, downloader)


def _finished(
    folder: ProtocolFolder, engine: Part[Engine], sources: Sources
) -> Callable[[Recipe, Features | Unavailable], bool]:
    """Return what tells whether a recipe was finished, with the same features and plugins and on the same test sets."""
    externals = [(name, catalogue.fingerprint) for name, catalogue in sources.external.items()]

    def is_finished(recipe: Recipe, features: Features | Unavailable) -> bool:
        if isinstance(features, Unavailable):
            return False
        identity = result_identity(folder.protocol, engine, recipe, features.folders)
        return folder.finished(recipe.file_stem, identity, externals)

    return is_finished


def _entered_meanwhile(
    folder: ProtocolFolder, recipes: Iterable[Recipe], is_finished: Callable[[Recipe, Features | Unavailable], bool]
) -> Callable[[Recipe, Features | Unavailable], Entry | None]:
    """Return what tells the entry of a recipe if another process writes one, from now on, that will do."""
    news = folder.news(recipe.file_stem for recipe in recipes)

    def entered(recipe: Recipe, features: Features | Unavailable) -> Entry | None:
        entry = news(recipe.file_stem)
        return entry if entry and (entry.status != "complete" or is_finished(recipe, features)) else None

    return entered


def _extract(
    sources: Sources,
    needed: Needed,
    claim: Callable[[Iterable[Path]], None],
    executor: Executor,
    progress: Progress,
) -> Underway:
    """Decode all images and have the missing features extracted; what is needed is claimed until the run ends."""
    wanted = [features for features in needed.values() if isinstance(features, Features) and not features.is_searched]
    views = [one for features in wanted for one in features.views]
    of_external: dict[str, list[Extraction]] = {
        name: [features.external[name] for features in wanted] for name in sources.external
    }
    catalogues = (sources.main, *sources.external.values())
    everything = [*views, *(one for found in of_external.values() for one in found)]
    claim([*(one.pixels.films.folder for one in catalogues), *(one.features.folder for one in everything)])
    underway = extract_missing(views, decode(sources.main, progress), executor, progress)
    for name, catalogue in sources.external.items():
        films = decode(catalogue, progress, f"images of {name}")
        underway |= extract_missing(of_external[name], films, executor, progress, f"features of {name}")
    return underway


def _list_skipped(sources: Sources, folder: ProtocolFolder, progress: Progress, *, strict: bool) -> None:
    """Leave the list of files that could not be read; raise DataError under `strict` if an external test set has any."""
    for name, catalogue in {"": sources.main, **sources.external}.items():
        skipped, path = catalogue.skipped(), folder.skipped(name)
        write_skipped(path, skipped)
        if not skipped:
            continue
        told = f"{len(skipped):,} of {len(catalogue.images.records):,} files{f' of {name}' if name else ''} could not be read"
        if name and strict:
            raise DataError(f"--strict-data: {told}; each with its reason: {path}")
        progress.warn(f"{told} and are left out; each with its reason: {path}")


def _extractor(claim: Callable[[Iterable[Path]], None], executor: Executor) -> Callable[[Iterable[Extraction]], Underway]:
    """Return what has features of decoded images extracted at any time, and claims them."""

    def extract(extractions: Iterable[Extraction]) -> Underway:
        wanted = list(extractions)
        claim([one.features.folder for one in wanted])
        return extract_missing(wanted, range(wanted[0].pixels.films.shards), executor, Silence())

    return extract


def _contest(
    settings: Settings, source: Part[Dataset], engine: Part[Engine], sources: Sources, folder: ProtocolFolder
) -> Contest:
    """Load, divide and audit the images; the test parts go behind the seal."""
    protocol, dataset = folder.protocol, load_dataset(sources.main)
    externals = tuple(External(name=name, dataset=load_dataset(catalogue)) for name, catalogue in sources.external.items())
    for external in externals:
        check_classes(f"--external {external.name}", external.dataset.labels)
    splits = split_dataset(dataset, protocol.split, protocol.seed, protocol.folds)
    verdict = audit(
        dataset,
        splits,
        split_name=protocol.split,
        others=[external.dataset for external in externals],
        allow_leak=settings.allow_leak,
        strict=settings.strict_data,
    )
    return Contest(
        protocol=protocol,
        data=str(with_relative_paths(source.component.without("source"))),
        engine=engine,
        dataset=dataset,
        facts=dataset_facts(dataset, splits),
        audit=verdict,
        folds=tuple(Learning(train=split.train, validation=split.validation) for split in splits),
        test=SealedTest(seals=folder.seals, rows=tuple(split.test for split in splits)),
        externals=externals,
        warnings=all_without_places((*dataset.warnings, *protocol.warnings, *verdict.warnings)),
        folder=folder,
        max_failures=settings.max_failures,
    )


def _protocol(settings: Settings, source: Part[Dataset], catalogue: Catalogue, engine: Part[Engine]) -> Protocol:
    equal = Protocol.model_fields.keys() & type(settings).model_fields.keys() - {"engine", "split"}
    return Protocol(
        **{name: getattr(settings, name) for name in equal},
        dataset=catalogue.images.name,
        fingerprint=catalogue.fingerprint,
        notice=source.spec.notice,
        split=settings.split or default_split(catalogue.images.records),
        engine=str(engine.component),
    )
