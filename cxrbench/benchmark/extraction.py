"""From catalogued images to features: decode what is not decoded, extract what is not extracted, and keep it from removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.benchmark.recipes import Features, needed_features
from cxrbench.data.catalogue import decode_catalogue
from cxrbench.errors import DataError
from cxrbench.execution.progress import SilentProgress
from cxrbench.leaderboard.store.skipped import write_skipped
from cxrbench.models.features.schedule import PendingExtractions, extract_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cxrbench.benchmark.recipes import Needed
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.recipe import Recipe
    from cxrbench.data.catalogue import Catalogues
    from cxrbench.data.download import Downloader
    from cxrbench.execution.executor import Executor
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.folder import ProtocolFolder
    from cxrbench.models.features.extraction import Extraction


def needed_by(recipes: Iterable[Recipe], sources: Catalogues, protocol: Protocol, downloader: Downloader) -> Needed:
    """Return what each recipe needs extracted; weights that are not on the machine are fetched."""
    external = {name: catalogue.pixels for name, catalogue in sources.external.items()}
    return needed_features(recipes, sources.main.pixels, external, protocol, downloader)


def extract(
    sources: Catalogues,
    needed: Needed,
    claim: Callable[[Iterable[Path]], None],
    executor: Executor,
    progress: Progress,
) -> PendingExtractions:
    """Decode all images and have the missing features extracted; what is needed is claimed until the run ends."""
    wanted = [features for features in needed.values() if isinstance(features, Features) and not features.is_searched]
    views = [one for features in wanted for one in features.views]
    of_external: dict[str, list[Extraction]] = {
        name: [features.external[name] for features in wanted] for name in sources.external
    }
    catalogues = (sources.main, *sources.external.values())
    everything = [*views, *(one for found in of_external.values() for one in found)]
    claim([*(one.pixels.array.folder for one in catalogues), *(one.features.folder for one in everything)])
    underway = extract_missing(views, decode_catalogue(sources.main, progress), executor, progress)
    for name, catalogue in sources.external.items():
        films = decode_catalogue(catalogue, progress, f"images of {name}")
        underway |= extract_missing(of_external[name], films, executor, progress, f"features of {name}")
    return underway


def extractor(
    claim: Callable[[Iterable[Path]], None], executor: Executor
) -> Callable[[Iterable[Extraction]], PendingExtractions]:
    """Return what has features of decoded images extracted at any time, and claims them."""

    def extract(extractions: Iterable[Extraction]) -> PendingExtractions:
        wanted = list(extractions)
        claim([one.features.folder for one in wanted])
        return extract_missing(wanted, range(wanted[0].pixels.array.shards), executor, SilentProgress())

    return extract


def list_skipped(sources: Catalogues, folder: ProtocolFolder, progress: Progress, *, strict: bool) -> None:
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
