"""Find, catalogue and decode the images of a run."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.audit.audit import check_classes
from cxrbench.data.columns import with_columns_of
from cxrbench.data.dataset import Catalogue, catalogue_images
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.source import find_dataset, read_images
from cxrbench.execution.progress import StageIfSlow
from cxrbench.storage.cache import GIGABYTE, claim_cache_folders, trim_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from cxrbench.config.part import Part
    from cxrbench.config.settings import Settings
    from cxrbench.data.download import Downloader
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogues:
    """The catalogues of a run.

    Attributes:
        main: the dataset that is divided into training, validation and test set.
        external: the external test sets, by name.
    """

    main: Catalogue
    external: Mapping[str, Catalogue]

    @property
    def all(self) -> tuple[Catalogue, ...]:
        """The catalogue of the dataset and then those of the external test sets."""
        return (self.main, *self.external.values())


def external_datasets(texts: Iterable[str], host: Host) -> dict[str, Part[Dataset]]:
    """Return the datasets of ``NAME=PATH`` texts, by name."""
    named = (text.partition("=") for text in texts)
    return {name: find_dataset(path, host) for name, _, path in named}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReader:
    """Reads the records and the images of datasets, each image once, but decodes none.

    Attributes:
        settings: size and number of threads.
        downloader: fetches what a dataset needs.
        progress: shows how far it is.
    """

    settings: Settings
    downloader: Downloader
    progress: Progress

    def catalogue(self, source: Part[Dataset], split: str | None = None) -> Catalogue:
        """Return the catalogue of a dataset, with the column whose groups the split leaves out."""
        size, resize = self.settings.image_size, self.settings.resize
        decoding = Decoding(size=size, resize=resize, threads=max(1, self.settings.workers))
        images = with_columns_of(read_images(source, self.downloader.fetch), split)
        return catalogue_images(
            images, decoding, StageIfSlow(self.progress, f"reading {images.name}", len(images.records)).advance
        )

    def catalogues(self, source: Part[Dataset], external: Mapping[str, Part[Dataset]]) -> Catalogues:
        """Return those of a run; raise DataError if an external test set has images of one class only."""
        main = self.catalogue(source, self.settings.split)
        found = {name: self.catalogue(part) for name, part in external.items()}
        for name, catalogue in found.items():  # checked again after decoding, without the unreadable images
            labels = np.array([record.label for record in catalogue.images.records])
            check_classes(f"--external {name}", labels, catalogue.images.class_names)
        return Catalogues(main=main, external=found)


def decode_catalogue(catalogue: Catalogue, progress: Progress, stage: str = "images") -> Iterator[int]:
    """Decode the images of a dataset, shard by shard.

    One process decodes at a time; the others wait and then find the images decoded.
    """
    array = catalogue.pixels.array

    def on_progress(done: int, total: int) -> None:
        if done:
            progress.advance(stage)
        else:
            progress.begin(stage, total)

    with array.locked(lambda: progress.say(f"{stage}: waiting for another process to decode them")):
        if damaged := array.damaged():
            progress.warn(f"{stage}: {len(damaged)} of {array.shards} parts were damaged on disk and are decoded again")
        yield from catalogue.decode(on_progress)


@contextmanager
def limited_cache(limit_gb: float, progress: Progress) -> Iterator[Callable[[Iterable[Path]], None]]:
    """Yield a function that claims cache folders, and trim the cache to its limit at the end."""
    with claim_cache_folders() as claim:
        try:
            yield claim
        finally:
            used_gb = trim_cache(limit_gb * GIGABYTE) / GIGABYTE
            if used_gb > limit_gb:
                progress.warn(f"running processes use {used_gb:.3g} GB of the cache, more than --cache-gb {limit_gb:g}")
