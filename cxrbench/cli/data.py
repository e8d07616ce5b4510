"""`cxrbench data`: inspect and audit datasets."""

from __future__ import annotations

from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.options import AsJson
from cxrbench.cli.settings_command import settings_command
from cxrbench.errors import DataError
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from cxrbench.config.settings import Settings
    from cxrbench.config.split_name import SplitName
    from cxrbench.data.audit.findings import Audit
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.contracts import Record
    from cxrbench.plugin.host import Host

data = typer.Typer(help="Inspect and audit datasets.", no_args_is_help=True)

INSPECTED = ("split", "seed", "image_size", "plugin", "offline")
DatasetArgument = Annotated[str, typer.Argument(metavar="NAME|PATH", help="Dataset name, or path to a dataset")]


@data.command("inspect", cls=settings_command(*INSPECTED))
def inspect_dataset(context: typer.Context, source: DatasetArgument) -> None:
    """Show the images, unreadable files and split of a dataset."""
    from cxrbench.cli import console

    with _open_inspector(context.obj, data=source, folds=1) as inspector:
        inspection = inspector.inspect()
    console.print_facts(inspection.facts())
    _print_split(inspection)
    _print_warnings(inspection)
    for warning in inspection.checked_audit().warnings:
        console.print_message(f"warning: {warning}")


@data.command("audit", cls=settings_command(*INSPECTED, "folds"))
def audit_dataset(
    context: typer.Context,
    source: DatasetArgument,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Exit with 0 even if there are leaks")] = False,
    other: Annotated[
        list[str] | None, typer.Option(metavar="NAME|PATH", help="Dataset that must not share images; repeatable")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find leaks, images under both labels, odd files and attributes that predict the label.

    Exits with 3 if a patient or an image is on both sides of the split, an image is also in another dataset, or an image is
    under both labels.
    """
    from cxrbench.cli import console
    from cxrbench.data.audit.audit import refuse_leaks

    with _open_inspector(context.obj, data=source) as inspector:
        inspection = inspector.inspect(other or ())
    if as_json:
        _print_warnings(inspection)
        console.print_json(inspection.checked_audit().model_dump(mode="json"))
    else:
        _print_audit(inspection)
    if not allow_leak:
        refuse_leaks(inspection.dataset.name, inspection.checked_audit())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inspection:
    """A dataset, its splits, and the result of the audit or the DataError that it raised."""

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
        """Return the facts to print about the dataset."""
        facts = {
            "dataset": self.dataset.name,
            "fingerprint": self.dataset.fingerprint,
            "images": len(self.dataset.records),
            "patients": len(set(self.dataset.patients)),
            "skipped files": len(self.dataset.skipped),
            "licence class": self.dataset.licence_class,
        }
        return {**facts, **({"notice": self.notice} if self.notice else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inspector:
    """Decodes and audits datasets; their images stay in the cache meanwhile."""

    settings: Settings
    host: Host
    claim: Callable[[Iterable[Path]], None]
    progress: Progress

    def inspect(self, others: Sequence[str] = ()) -> _Inspection:
        """Load, split and audit the dataset of the settings."""
        from cxrbench.data.audit.audit import audit
        from cxrbench.data.split import default_split, split_dataset, split_warnings

        dataset, notice, records = self._load(self.settings.data, self.settings.split)
        split_name = self.settings.split or default_split(records)
        splits = split_dataset(dataset, split_name, self.settings.seed, self.settings.folds)
        warnings = (*dataset.warnings, *split_warnings(dataset, split_name, self.settings.seed))
        external = [self._load(text)[0] for text in others]
        for other in external:
            for warning in other.warnings:
                self.progress.warn(f"{other.name}: {warning}")
        result: Audit | DataError
        try:
            result = audit(dataset, splits, split_name=split_name, others=external, allow_leak=True)
        except DataError as error:
            result = error
        return _Inspection(
            dataset=dataset, notice=notice, split_name=split_name, splits=splits, warnings=warnings, audit=result
        )

    def _load(self, text: str, split: str | None = None) -> tuple[LoadedDataset, str, Sequence[Record]]:
        from cxrbench.data.catalogue import decode_catalogue, read_catalogue
        from cxrbench.data.dataset import load_dataset
        from cxrbench.data.download import Downloader
        from cxrbench.data.source import find_dataset

        part = find_dataset(text, self.host)
        downloader = Downloader(offline=self.settings.offline, say=self.progress.say)
        catalogue = read_catalogue(part, self.settings, downloader, split)
        self.claim([catalogue.pixels.array.folder])
        deque(decode_catalogue(catalogue, self.progress), maxlen=0)
        for key, reason in catalogue.skipped():
            self.progress.warn(f"skipped: {as_line(key)} {reason}")
        return load_dataset(catalogue), part.spec.notice, catalogue.images.records


@contextmanager
def _open_inspector(flags: Mapping[str, Any], **given: Any) -> Iterator[_Inspector]:
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.data.catalogue import limited_cache
    from cxrbench.plugin.host import load_host
    from cxrbench.storage.files import check_writable, home

    settings = read_settings({**flags, **given})
    host = load_host(settings.plugin, settings.blocked)
    check_writable(home(), "CXRBENCH_HOME")
    with console.ConsoleProgress() as progress, limited_cache(settings.cache_gb, progress) as claim:
        yield _Inspector(settings=settings, host=host, claim=claim, progress=progress)


def _print_split(inspection: _Inspection) -> None:
    from cxrbench.cli import console

    names = inspection.dataset.class_names
    console.print_table((inspection.split_name, "images", names.negative, names.positive, "patients"), _split_rows(inspection))


def _split_rows(inspection: _Inspection) -> list[tuple[str, ...]]:
    dataset, table = inspection.dataset, []
    for number, split in enumerate(inspection.splits, 1):
        fold = f"{split.group}: " if split.group else f"fold {number} " if len(inspection.splits) > 1 else ""
        for part, rows in (("train", split.train), ("validation", split.validation), ("test", split.test)):
            positives = int(dataset.labels[rows].sum())
            counts = (len(rows), len(rows) - positives, positives, len(set(dataset.patients[rows])))
            table.append((fold + part, *(str(count) for count in counts)))
    return table


def _print_audit(inspection: _Inspection) -> None:
    from cxrbench.cli import console

    console.print_facts({**inspection.facts(), "groups": len(set(inspection.dataset.groups.tolist()))})
    _print_split(inspection)
    _print_label_rates(inspection.dataset)
    _print_warnings(inspection)
    result = inspection.checked_audit()
    if result.findings:
        rows = [
            (each.severity, each.check, str(each.count), "\n".join((each.message, *each.examples))) for each in result.findings
        ]
        console.print_table(("severity", "check", "count", "finding"), rows)
    console.print_facts({"verdict": result.verdict})


def _print_warnings(inspection: _Inspection) -> None:
    from cxrbench.cli import console

    for warning in inspection.warnings:
        console.print_message(f"warning: {warning}")


def _print_label_rates(dataset: LoadedDataset) -> None:
    from cxrbench.cli import console
    from cxrbench.data.audit.label_rates import label_rates

    rates = label_rates(dataset.records)
    levels = Counter(rate.attribute for rate in rates)
    rows = [
        (rate.attribute, rate.level, str(rate.images), f"{rate.positives / rate.images:.0%}")
        for rate in rates
        if levels[rate.attribute] > 1
    ]
    if rows:
        console.print_table(("attribute", "level", "images", dataset.class_names.positive), rows)
