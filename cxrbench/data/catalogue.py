"""The images of a run: found by their datasets' plugins, catalogued, and decoded into the cache."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.audit import check_classes
from cxrbench.data.dataset import Catalogue, catalogue_images
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.source import find_dataset, read_images
from cxrbench.storage.cache import GIGABYTE, claiming, trim_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from cxrbench.config.component import Part
    from cxrbench.config.settings import Settings
    from cxrbench.data.download import Downloader
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogues:
    """The images of a run, catalogued: those that are learnt from and, by name, the external test sets."""

    main: Catalogue
    external: Mapping[str, Catalogue]


def external_datasets(texts: Iterable[str], host: Host) -> dict[str, Part[Dataset]]:
    """Return the datasets that ``NAME=PATH`` mean, by name."""
    named = (text.partition("=") for text in texts)
    return {name: find_dataset(path, host) for name, _, path in named}


def read_catalogue(source: Part[Dataset], settings: Settings, downloader: Downloader) -> Catalogue:
    """Ask a dataset for its records and read every image."""
    decoding = Decoding(size=settings.image_size, resize=settings.resize, threads=max(1, settings.workers))
    return catalogue_images(read_images(source, downloader.fetch), decoding)


def decode_catalogue(catalogue: Catalogue, progress: Progress, stage: str = "images") -> Iterator[int]:
    """Decode the images of a dataset, shard by shard; one process at a time, so that the others find them decoded."""
    films = catalogue.pixels.array

    def on_progress(done: int, total: int) -> None:
        if done:
            progress.advance(stage)
        else:
            progress.begin(stage, total)

    with films.locked(lambda: progress.say(f"{stage}: waiting for another process that decodes them")):
        if damaged := films.damaged():
            progress.warn(f"{stage}: {len(damaged)} of {films.shards} parts were damaged on disk and are decoded again")
        yield from catalogue.decode(on_progress)


@contextmanager
def limited_cache(limit_gb: float, progress: Progress) -> Iterator[Callable[[Iterable[Path]], None]]:
    """Yield what claims folders of the cache; in the end, keep the cache below its limit."""
    with claiming() as claim:
        try:
            yield claim
        finally:
            taken = trim_cache(limit_gb * GIGABYTE) / GIGABYTE
            if taken > limit_gb:
                progress.warn(f"what running processes use takes {taken:.3g} GB on disk, more than --cache-gb {limit_gb:g}")


def read_catalogues(
    source: Part[Dataset], external: Mapping[str, Part[Dataset]], settings: Settings, downloader: Downloader
) -> Catalogues:
    """Read all images; raise DataError for an external test set that nothing can be scored on."""
    main = read_catalogue(source, settings, downloader)
    others = {name: read_catalogue(part, settings, downloader) for name, part in external.items()}
    for name, catalogue in others.items():  # and again when it is known which of them can be read
        check_classes(f"--external {name}", np.array([record.label for record in catalogue.images.records]))
    return Catalogues(main=main, external=others)
