"""The story on one page.

Declare -> load -> decode -> audit and split -> features -> imbalance -> search -> evaluate once -> leaderboard.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.benchmark.baseline import NAME as MAJORITY
from cxrbench.benchmark.baseline import enter_majority
from cxrbench.benchmark.context import Contest, External, Learning, dataset_facts
from cxrbench.benchmark.extraction import extract, extractor, list_skipped, needed_by
from cxrbench.benchmark.grid import LineUp, line_up
from cxrbench.benchmark.recipes import Audience, Entering, enter_all
from cxrbench.benchmark.resume import entered_meanwhile, open_records, start_over, what_is_finished
from cxrbench.config.component import with_relative_paths
from cxrbench.config.protocol import Protocol
from cxrbench.data.audit.audit import audit, check_classes
from cxrbench.data.catalogue import Catalogues, external_datasets, limited_cache, read_catalogues
from cxrbench.data.dataset import load_dataset
from cxrbench.data.download import Downloader
from cxrbench.data.source import downloads_folder, find_dataset
from cxrbench.data.split import default_split, split_dataset
from cxrbench.errors import ConfigError, CxrbenchError, DiskFull
from cxrbench.execution.executor import open_executor, refuse_inside_worker
from cxrbench.execution.process_pool import Limits
from cxrbench.execution.worker import memory_can_be_limited
from cxrbench.leaderboard.store.attempts import newest_attempt
from cxrbench.leaderboard.store.test_lock import SealedTest
from cxrbench.search.engine import find_engine
from cxrbench.storage.files import check_writable, home, reporting_full_disk
from cxrbench.storage.safe_text import all_without_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxrbench.benchmark.recipes import Needed
    from cxrbench.config.component import Part
    from cxrbench.config.settings import Settings
    from cxrbench.data.dataset import Catalogue
    from cxrbench.execution.executor import Executor
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Dataset, Engine
    from cxrbench.search.database import Database


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
    asked = _understood(settings, host, progress)
    limits = _limits(settings, progress)
    with (
        ExitStack() as at_end,
        _told_when_full(),
        open_records(settings.storage, progress.warn) as database,
        limited_cache(settings.cache_gb, progress) as claim,
        open_executor(settings.workers, limits) as executor,
    ):
        sources = read_catalogues(asked.source, asked.external, settings, asked.downloader)  # meanwhile, workers import Keras
        _check_like(like, settings.data, sources.main)
        folder, wanted = _folder_and_needs(asked, sources, database, progress)
        at_end.callback(folder.drop_if_empty)
        is_finished = what_is_finished(folder, asked.engine, sources)
        entered = entered_meanwhile(folder, asked.lineup.recipes, is_finished)
        needed = {recipe: features for recipe, features in wanted.items() if not is_finished(recipe, features)}
        underway = extract(sources, needed, claim, executor, progress)
        list_skipped(sources, folder, progress, strict=settings.strict_data)
        contest = _opened(asked, sources, folder, host, progress)
        entering = Entering(
            contest=contest,
            underway=underway,
            executor=executor,
            audience=Audience(host, progress),
            extract=extractor(claim, executor),
            entered=entered,
        )
        with _tables_in_any_case(folder, executor):
            mine = enter_all(entering, needed, abreast=1 + settings.workers // 2)
        board = folder.close()
    host.notify("on_run_end", progress.warn, board=board)
    found = {entry.recipe: entry for entry in (*board.entries, *mine)}
    recipes = asked.lineup.recipes
    return Outcome(board=board, entries=tuple(found[str(recipe)] for recipe in recipes), left_out=asked.lineup.left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the settings mean, as far as plugins alone can tell."""

    settings: Settings
    source: Part[Dataset]
    external: Mapping[str, Part[Dataset]]
    engine: Part[Engine]
    lineup: LineUp
    downloader: Downloader


def _understood(settings: Settings, host: Host, progress: Progress) -> _Asked:
    downloader = Downloader(folder=downloads_folder(), offline=settings.offline, say=progress.say)
    check_writable(settings.out, "--out")
    check_writable(home(), "CXRBENCH_HOME")
    return _Asked(
        settings=settings,
        source=find_dataset(settings.data, host),
        external=external_datasets(settings.external, host),
        engine=find_engine(settings.engine, host, settings.threshold),
        lineup=line_up(host, settings, downloader),
        downloader=downloader,
    )


def _folder_and_needs(
    asked: _Asked, sources: Catalogues, database: Database | None, progress: Progress
) -> tuple[ProtocolFolder, Needed]:
    """Return the folder to go on in, or with `--fresh` that of a new attempt, and what each recipe needs extracted."""
    folder = newest_attempt(asked.settings.out, _protocol(asked, sources.main), database)
    if not asked.settings.fresh:  # what cannot be gone on with is told before anything is fetched
        folder.check({MAJORITY, *(recipe.file_stem for recipe in asked.lineup.recipes)})
    wanted = needed_by(asked.lineup.recipes, sources, folder.protocol, asked.downloader)
    if asked.settings.fresh:
        folder = start_over(folder, asked.engine, wanted, progress)
    return folder, wanted


def _opened(asked: _Asked, sources: Catalogues, folder: ProtocolFolder, host: Host, progress: Progress) -> Contest:
    """Return the contest that is begun now: its folder, its entry of the majority class, and whoever listens to it."""
    contest = _contest(asked, sources, folder)
    for warning in contest.warnings:
        progress.warn(warning)
    folder.begin()
    enter_majority(contest)
    host.notify("on_run_start", progress.warn, protocol=folder.protocol, recipes=asked.lineup.recipes)
    return contest


@contextmanager
def _told_when_full() -> Iterator[None]:
    """Say what is kept, and how to go on, when there is no more room on a disk."""
    try:
        with reporting_full_disk(Path(tempfile.gettempdir())):  # what is written elsewhere names its own folder
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


def _limits(settings: Settings, progress: Progress) -> Limits:
    if settings.max_memory and not memory_can_be_limited():
        progress.warn("--max-memory is not kept on this system: only Linux holds a process to a limit")
    return Limits(timeout=settings.timeout, memory=settings.max_memory)


def _contest(asked: _Asked, sources: Catalogues, folder: ProtocolFolder) -> Contest:
    """Load, divide and audit the images; the test parts go behind the seal."""
    protocol, dataset, settings = folder.protocol, load_dataset(sources.main), asked.settings
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
        data=str(with_relative_paths(asked.source.component.without("source"))),
        engine=asked.engine,
        dataset=dataset,
        facts=dataset_facts(dataset, splits),
        audit=verdict,
        folds=tuple(Learning(train=split.train, validation=split.validation) for split in splits),
        test=SealedTest(seals=folder.seals, rows=tuple(split.test for split in splits)),
        externals=externals,
        warnings=all_without_paths((*dataset.warnings, *protocol.warnings, *verdict.warnings)),
        folder=folder,
        max_failures=settings.max_failures,
    )


def _protocol(asked: _Asked, catalogue: Catalogue) -> Protocol:
    settings = asked.settings
    equal = Protocol.model_fields.keys() & type(settings).model_fields.keys() - {"engine", "split"}
    return Protocol(
        **{name: getattr(settings, name) for name in equal},
        dataset=catalogue.images.name,
        fingerprint=catalogue.fingerprint,
        notice=asked.source.spec.notice,
        split=settings.split or default_split(catalogue.images.records),
        engine=str(asked.engine.component),
    )
