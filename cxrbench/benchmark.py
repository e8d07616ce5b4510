"""The story on one page.

Declare -> load -> decode -> split -> features -> imbalance -> search -> evaluate once -> leaderboard.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.all_recipes import Audience, Unavailable, enter_all, needed_features
from cxrbench.cache import GIGABYTE, claiming, keep_below
from cxrbench.config import Protocol
from cxrbench.contest import Contest, study_identity
from cxrbench.data.audit import audit_dataset, audit_split
from cxrbench.data.dataset import Catalogue, catalogue_images, load_dataset
from cxrbench.data.pixels import Decoding
from cxrbench.data.source import downloads_folder, find_dataset, read_images
from cxrbench.data.split import default_split, split_dataset
from cxrbench.downloads import Downloader
from cxrbench.execution import open_executor, refuse_inside_worker
from cxrbench.features.schedule import extract_missing
from cxrbench.files import check_writable, home
from cxrbench.leaderboard.folder import ProtocolFolder
from cxrbench.lineup import line_up
from cxrbench.search.engine import find_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cxrbench.component import Part
    from cxrbench.config import Settings
    from cxrbench.features.extraction import Extraction
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.entry import Entry
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


def run(settings: Settings, host: Host, progress: Progress) -> Outcome:
    """Give every recipe the same search under the same protocol and rank them.

    Raises:
        ConfigError: a setting that cannot be meant.
        DataError: images that no fair comparison can be made with.
        KeyboardInterrupt: what was finished is on disk; the same call goes on from there.
    """
    refuse_inside_worker()
    downloader = Downloader(folder=downloads_folder(), offline=settings.offline, say=progress.say)
    check_writable(settings.out, "--out")
    check_writable(home(), "CXRBENCH_HOME")
    source = find_dataset(settings.data, host)
    engine = find_engine(settings.engine, host, settings.threshold)
    lineup = line_up(host, settings, downloader)

    with kept_below(settings.cache_gb, progress) as claim, open_executor(settings.workers) as executor:
        catalogue = read_catalogue(source, settings, downloader)  # meanwhile, the workers import Keras
        protocol = _protocol(settings, source, catalogue, engine)
        folder = ProtocolFolder(out=settings.out, protocol=protocol)
        needed = {
            recipe: features
            for recipe, features in needed_features(lineup.recipes, catalogue.pixels, protocol, downloader).items()
            if not _is_finished(folder, engine, recipe, features)
        }
        extracted = [one for features in needed.values() if not isinstance(features, Unavailable) for one in features]
        claim([catalogue.pixels.films.folder, *(one.features.folder for one in extracted)])
        underway = extract_missing(extracted, decode(catalogue, progress), executor, progress)

        dataset = load_dataset(catalogue)
        warnings = audit_dataset(dataset, strict=settings.strict_data)
        split = split_dataset(dataset, protocol.split, protocol.seed)
        warnings += (*protocol.warnings, *audit_split(dataset, split))
        for warning in warnings:
            progress.warn(warning)

        folder.begin()
        contest = Contest(protocol=protocol, engine=engine, dataset=dataset, split=split, warnings=warnings, folder=folder)
        host.notify("on_run_start", progress.warn, protocol=protocol, recipes=lineup.recipes)
        try:
            enter_all(contest, needed, underway, executor, Audience(host, progress), abreast=1 + settings.workers // 2)
        finally:
            board = folder.close()
    host.notify("on_run_end", progress.warn, board=board)
    mine = {str(recipe) for recipe in lineup.recipes}
    entries = tuple(entry for entry in board.entries if entry.recipe in mine)
    return Outcome(board=board, entries=entries, left_out=lineup.left_out)


@contextmanager
def kept_below(limit_gb: float, progress: Progress) -> Iterator[Callable[[Iterable[Path]], None]]:
    """Yield what claims folders of the cache; in the end, keep the cache below its limit."""
    with claiming() as claim:
        try:
            yield claim
        finally:
            taken = keep_below(limit_gb * GIGABYTE) / GIGABYTE
            if taken > limit_gb:
                progress.warn(f"what running processes use takes {taken:.3g} GB on disk, more than --cache-gb {limit_gb:g}")


def read_catalogue(source: Part[Dataset], settings: Settings, downloader: Downloader) -> Catalogue:
    """Ask a dataset for its records and read every image."""
    decoding = Decoding(size=settings.image_size, resize=settings.resize, threads=max(1, settings.workers))
    return catalogue_images(read_images(source, downloader.fetch), decoding)


def decode(catalogue: Catalogue, progress: Progress) -> Iterator[int]:
    """Decode the images of a dataset, shard by shard."""

    def on_progress(done: int, total: int) -> None:
        if done:
            progress.advance("images")
        else:
            progress.begin("images", total)

    return catalogue.decode(on_progress)


def _is_finished(
    folder: ProtocolFolder, engine: Part[Engine], recipe: Recipe, features: tuple[Extraction, ...] | Unavailable
) -> bool:
    """Return whether an earlier run finished this recipe, with the same features and plugins."""
    if isinstance(features, Unavailable):
        return False
    return folder.finished(recipe, study_identity(folder.protocol, engine, recipe, [one.features for one in features]))


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
