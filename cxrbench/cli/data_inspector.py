"""What `cxrbench data inspect` and `cxrbench data audit` share: reading, dividing and auditing a dataset."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.errors import DataError
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from cxrbench.config.part import Part
    from cxrbench.config.settings import Settings
    from cxrbench.config.split_name import SplitName
    from cxrbench.data.audit.findings import Audit
    from cxrbench.data.dataset import Catalogue, LoadedDataset
    from cxrbench.data.decoding.pixels import Decoding
    from cxrbench.data.download import Downloader
    from cxrbench.data.split import Split
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.contracts import Images
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Dataset

DatasetArgument = Annotated[str, typer.Argument(metavar="NAME|PATH", help="Dataset name, or path to a dataset")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A dataset, its splits, and the result of the audit or the DataError that it raised.

    Attributes:
        dataset: decoded images, or the records alone.
        split_name: how it is divided.
        warnings: of the dataset and of the split.
    """

    dataset: LoadedDataset
    notice: str
    split_name: SplitName
    splits: tuple[Split, ...]
    warnings: tuple[str, ...]
    audit: Audit | DataError

    def checked_audit(self) -> Audit:
        """Return the audit or raise its DataError: called after the tables are printed, so that users see both."""
        if isinstance(self.audit, DataError):
            raise self.audit
        return self.audit

    def facts(self) -> dict[str, object]:
        """Return the facts to print about the dataset; those that need the images only if they were decoded."""
        opened = {"skipped files": len(self.dataset.skipped)} if self.dataset.fingerprint else {}
        return {
            "dataset": self.dataset.name,
            **({"fingerprint": self.dataset.fingerprint} if self.dataset.fingerprint else {}),
            "images": len(self.dataset.records),
            "patients": len({record.patient for record in self.dataset.records}),
            **opened,
            "licence class": self.dataset.licence_class,
            **({"notice": self.notice} if self.notice else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """Reads, decodes and audits datasets; their images stay in the cache meanwhile."""

    settings: Settings
    host: Host
    claim: Callable[[Iterable[Path]], None]
    progress: Progress

    @property
    def decoding(self) -> Decoding:
        """How images are decoded."""
        from cxrbench.data.decoding.pixels import Decoding

        return Decoding(size=self.settings.image_size, resize=self.settings.resize, threads=max(1, self.settings.workers))

    def find(self) -> Part[Dataset]:
        """Return the dataset of the settings."""
        from cxrbench.data.source import find_dataset

        return find_dataset(self.settings.data, self.host, self.settings.classes)

    def list_images(self, part: Part[Dataset]) -> Images:
        """Return the images of a dataset, none of them opened."""
        from cxrbench.data.source import read_images

        return read_images(part, self._downloader().fetch)

    def name_images(self, part: Part[Dataset]) -> Images:
        """Return the images of a dataset by their own names, also credentialed ones: for a file that stays on this machine."""
        from cxrbench.data.source import named_images

        return named_images(part, self._downloader().fetch)

    def inspect_tables(self, part: Part[Dataset], images: Images) -> Inspection:
        """Split and audit a dataset by its records alone."""
        from cxrbench.config.split_name import LEFT_OUT
        from cxrbench.data.columns import with_columns_of
        from cxrbench.data.dataset import tabled_dataset

        split = self.settings.split or ""
        divided = with_columns_of(images, split) if split.startswith(LEFT_OUT) else images
        return self._inspection(tabled_dataset(divided, self.decoding), part.spec.notice)

    def inspect_images(self, part: Part[Dataset], others: Sequence[str] = ()) -> Inspection:
        """Decode all images of a dataset, split and audit it; `others` are datasets that must not share images with it."""
        from cxrbench.data.source import find_dataset

        dataset = self._decoded(part, self.settings.split)
        external = [self._decoded(find_dataset(text, self.host)) for text in others]
        for other in external:
            for warning in other.warnings:
                self.progress.warn(f"{other.name}: {warning}")
        return self._inspection(dataset, part.spec.notice, external)

    def _inspection(self, dataset: LoadedDataset, notice: str, others: Sequence[LoadedDataset] = ()) -> Inspection:
        from cxrbench.data.audit.audit import audit
        from cxrbench.data.split import default_split, split_dataset, split_warnings

        split_name = self.settings.split or default_split(dataset.records)
        splits = split_dataset(dataset, split_name, self.settings.seed, self.settings.folds)
        warnings = (*dataset.warnings, *split_warnings(dataset, split_name, self.settings.seed))
        result: Audit | DataError
        try:
            result = audit(dataset, splits, split_name=split_name, others=others, allow_leak=True)
        except DataError as error:
            result = error
        return Inspection(dataset=dataset, notice=notice, split_name=split_name, splits=splits, warnings=warnings, audit=result)

    def _decoded(self, part: Part[Dataset], split: str | None = None) -> LoadedDataset:
        from cxrbench.data.catalogue import DatasetReader, decode_catalogue
        from cxrbench.data.dataset import load_dataset

        reader = DatasetReader(settings=self.settings, downloader=self._downloader(), progress=self.progress)
        catalogue: Catalogue = reader.catalogue(part, split)
        self.claim([catalogue.pixels.array.folder])
        deque(decode_catalogue(catalogue, self.progress), maxlen=0)
        for key, reason in catalogue.skipped():
            self.progress.warn(f"skipped: {as_line(key)} {reason}")
        return load_dataset(catalogue)

    def _downloader(self) -> Downloader:
        from cxrbench.data.download import Downloader

        return Downloader(offline=self.settings.offline, say=self.progress.say)


@contextmanager
def open_inspector(flags: Mapping[str, Any], **given: Any) -> Iterator[Inspector]:
    """Yield an inspector with the settings of the flags and the given ones."""
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.data.catalogue import limited_cache
    from cxrbench.plugin.host import load_host
    from cxrbench.storage.files import check_writable, home

    settings = read_settings({**flags, **given})
    host = load_host(settings.plugin, settings.blocked)
    check_writable(home(), "CXRBENCH_HOME")
    with console.ConsoleProgress() as progress, limited_cache(settings.cache_gb, progress) as claim:
        yield Inspector(settings=settings, host=host, claim=claim, progress=progress)


def print_split(inspection: Inspection) -> None:
    """Print how many images each part of each fold has."""
    from cxrbench.cli import console

    names = inspection.dataset.class_names
    headings = (inspection.split_name, "images", names.negative, names.positive, "patients")
    console.print_table(headings, _split_rows(inspection))


def _split_rows(inspection: Inspection) -> list[tuple[str, ...]]:
    labels, table = inspection.dataset.labels, []
    patients = [record.patient for record in inspection.dataset.records]
    for number, split in enumerate(inspection.splits, 1):
        fold = f"{split.group}: " if split.group else f"fold {number} " if len(inspection.splits) > 1 else ""
        for part, rows in (("train", split.train), ("validation", split.validation), ("test", split.test)):
            positives = int(labels[rows].sum())
            counts = (len(rows), len(rows) - positives, positives, len({patients[row] for row in rows.tolist()}))
            table.append((fold + part, *(str(count) for count in counts)))
    return table


def print_warnings(inspection: Inspection) -> None:
    """Print the warnings of the dataset and of the split."""
    from cxrbench.cli import console

    for warning in inspection.warnings:
        console.print_message(f"warning: {warning}")
