"""The story on one page.

Declare -> load -> decode -> split -> features -> imbalance -> search -> evaluate once -> leaderboard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.all_recipes import Audience, enter_all
from cxrbench.config import Protocol
from cxrbench.contest import Contest
from cxrbench.data.audit import audit_dataset, audit_split
from cxrbench.data.dataset import LoadedDataset, load_dataset
from cxrbench.data.pixels import Decoding
from cxrbench.data.source import downloads_folder, find_dataset, read_images
from cxrbench.data.split import default_split, split_dataset
from cxrbench.downloads import Downloader
from cxrbench.execution import open_executor, refuse_inside_worker
from cxrbench.files import check_writable, home
from cxrbench.leaderboard.folder import ProtocolFolder
from cxrbench.lineup import line_up
from cxrbench.search.engine import find_engine

if TYPE_CHECKING:
    from cxrbench.component import Part
    from cxrbench.config import Settings
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.entry import Entry
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Dataset, Engine
    from cxrbench.progress import Progress


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

    dataset = load(source, settings, downloader, progress)
    warnings = audit_dataset(dataset, strict=settings.strict_data)
    protocol = _protocol(settings, source, dataset, engine)
    split = split_dataset(dataset, protocol.split, protocol.seed)
    warnings += (*protocol.warnings, *audit_split(dataset, split))
    for warning in warnings:
        progress.warn(warning)

    folder = ProtocolFolder(out=settings.out, protocol=protocol)
    folder.begin()
    contest = Contest(protocol=protocol, engine=engine, dataset=dataset, split=split, warnings=warnings, folder=folder)
    host.notify("on_run_start", progress.warn, protocol=protocol, recipes=lineup.recipes)
    try:
        with open_executor(settings.workers) as executor:
            enter_all(
                contest, lineup.recipes, downloader, executor, Audience(host, progress), abreast=1 + settings.workers // 2
            )
    finally:
        board = folder.close()
    host.notify("on_run_end", progress.warn, board=board)
    mine = {str(recipe) for recipe in lineup.recipes}
    entries = tuple(entry for entry in board.entries if entry.recipe in mine)
    return Outcome(board=board, entries=entries, left_out=lineup.left_out)


def load(source: Part[Dataset], settings: Settings, downloader: Downloader, progress: Progress) -> LoadedDataset:
    """Read and decode the images of a dataset."""
    decoding = Decoding(size=settings.image_size, resize=settings.resize, threads=max(1, settings.workers))
    images = read_images(source, downloader.fetch)

    def on_progress(done: int, total: int) -> None:
        if done:
            progress.advance("images")
        else:
            progress.begin("images", total)

    return load_dataset(images, decoding, on_progress)


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
