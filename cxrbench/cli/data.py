"""`cxrbench data`: look at a data set before it is used."""

from __future__ import annotations

from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.errors import DataError
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from cxrbench.config.settings import Settings
    from cxrbench.config.values import SplitName
    from cxrbench.data.audit.findings import Audit, Finding
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.contracts import Record
    from cxrbench.plugin.host import Host

data = typer.Typer(help="Look at a data set before it is used.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(metavar="NAME|PATH", help="A dataset's name, or a path that one recognises")]
SplitOption = Annotated[str | None, typer.Option("--split", metavar="NAME", help="official, grouped or paper")]
Seed = Annotated[int | None, typer.Option(help="Of the split")]
ImageSize = Annotated[int | None, typer.Option(help="Height and width in pixels")]
PluginFiles = Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A one-file plugin, repeatable")]
Offline = Annotated[bool, typer.Option("--offline", help="Fetch nothing")]


@data.command()
def inspect(
    source: Source,
    split: SplitOption = None,
    seed: Seed = None,
    image_size: ImageSize = None,
    plugin: PluginFiles = None,
    offline: Offline = False,
) -> None:
    """Show what a data set holds, what cannot be read, and how it would be divided."""
    from cxrbench.cli import console

    with _room(
        data=source, split=split, folds=1, seed=seed, image_size=image_size, plugin=plugin, offline=offline or None
    ) as room:
        seen = room.look()
    console.print_facts(seen.facts())
    console.print_table((seen.split_name, "images", "normal", "pneumonia", "patients"), _parts(seen))
    for warning in (*seen.dataset.warnings, *seen.checked().warnings):
        console.print_talk(f"warning: {warning}")


@data.command()
def audit(
    source: Source,
    split: SplitOption = None,
    folds: Annotated[int | None, typer.Option(help="Of a cross-validation; 1 divides once")] = None,
    seed: Seed = None,
    image_size: ImageSize = None,
    plugin: PluginFiles = None,
    offline: Offline = False,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Exit with 0 whatever leaks")] = False,
    other: Annotated[
        list[str] | None, typer.Option(metavar="NAME|PATH", help="A data set that must not hold these films, repeatable")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON instead of tables")] = False,
) -> None:
    """Find leaks between the parts of a data set, films under two labels, odd files and attributes that tell the label.

    Exits with 3 if a patient or a film is on both sides of the split or in another data set, or a film under two labels.
    """
    from cxrbench.cli import console
    from cxrbench.data.audit.audit import refuse_leaks

    with _room(
        data=source, split=split, folds=folds, seed=seed, image_size=image_size, plugin=plugin, offline=offline or None
    ) as room:
        seen = room.look(other or ())
    if as_json:
        console.print_json(seen.checked().model_dump(mode="json"))
    else:
        _print_audit(seen)
    if not allow_leak:
        refuse_leaks(seen.dataset.name, seen.checked())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A data set, how it would be divided, and what an audit found, or why nothing can be made of it."""

    dataset: LoadedDataset
    notice: str
    split_name: SplitName
    splits: tuple[Split, ...]
    found: Audit | DataError

    def checked(self) -> Audit:
        """Return what was found; raise the DataError if there is one, which a person sees below what else is known."""
        if isinstance(self.found, DataError):
            raise self.found
        return self.found

    def facts(self) -> dict[str, object]:
        """Return what is told of a data set in any case."""
        facts = {
            "dataset": self.dataset.name,
            "fingerprint": self.dataset.fingerprint,
            "images": len(self.dataset.records),
            "patients": len(set(self.dataset.patients)),
            "skipped files": len(self.dataset.skipped),
        }
        return {**facts, **({"notice": self.notice} if self.notice else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """Where data sets are decoded and looked at; none of their images leaves the cache meanwhile."""

    settings: Settings
    host: Host
    claim: Callable[[Iterable[Path]], None]
    progress: Progress

    def look(self, others: Sequence[str] = ()) -> _Seen:
        """Load, divide and audit the data set of the settings."""
        from cxrbench.data.audit.audit import audit as audited
        from cxrbench.data.split import default_split, split_dataset

        dataset, notice, records = self._load(self.settings.data)
        split_name = self.settings.split or default_split(records)
        splits = split_dataset(dataset, split_name, self.settings.seed, self.settings.folds)
        external = [self._load(text)[0] for text in others]
        found: Audit | DataError
        try:
            found = audited(dataset, splits, split_name=split_name, others=external, allow_leak=True)
        except DataError as error:
            found = error
        return _Seen(dataset=dataset, notice=notice, split_name=split_name, splits=splits, found=found)

    def _load(self, text: str) -> tuple[LoadedDataset, str, Sequence[Record]]:
        from cxrbench.data.catalogue import decode_catalogue, read_catalogue
        from cxrbench.data.dataset import load_dataset
        from cxrbench.data.download import Downloader
        from cxrbench.data.source import downloads_folder, find_dataset

        found = find_dataset(text, self.host)
        downloader = Downloader(folder=downloads_folder(), offline=self.settings.offline, say=self.progress.say)
        catalogue = read_catalogue(found, self.settings, downloader)
        self.claim([catalogue.pixels.array.folder])
        deque(decode_catalogue(catalogue, self.progress), maxlen=0)
        for key, reason in catalogue.skipped():
            self.progress.warn(f"skipped: {as_line(key)} {reason}")
        return load_dataset(catalogue), found.spec.notice, catalogue.images.records


@contextmanager
def _room(**flags: Any) -> Iterator[_Room]:
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.data.catalogue import limited_cache
    from cxrbench.plugin.host import load_host
    from cxrbench.storage.files import check_writable, home

    settings = read_settings(flags)
    host = load_host(settings.plugin, settings.blocked)
    check_writable(home(), "CXRBENCH_HOME")
    with console.ConsoleProgress() as progress, limited_cache(settings.cache_gb, progress) as claim:
        yield _Room(settings=settings, host=host, claim=claim, progress=progress)


def _parts(seen: _Seen) -> list[tuple[str, ...]]:
    rows = []
    for number, split in enumerate(seen.splits, 1):
        fold = f"fold {number} " if len(seen.splits) > 1 else ""
        for part, here in (("train", split.train), ("validation", split.validation), ("test", split.test)):
            pneumonia = int(seen.dataset.labels[here].sum())
            counts = (len(here), len(here) - pneumonia, pneumonia, len(set(seen.dataset.patients[here])))
            rows.append((fold + part, *(str(count) for count in counts)))
    return rows


def _print_audit(seen: _Seen) -> None:
    from cxrbench.cli import console
    from cxrbench.data.audit.label_rates import label_rates

    console.print_facts({**seen.facts(), "groups": len(set(seen.dataset.groups.tolist()))})
    console.print_table((seen.split_name, "images", "normal", "pneumonia", "patients"), _parts(seen))
    rates = label_rates(seen.dataset)
    levels = Counter(one.attribute for one in rates)
    rows = [
        (one.attribute, one.level, str(one.images), f"{one.pneumonia / one.images:.0%}")
        for one in rates
        if levels[one.attribute] > 1
    ]
    if rows:
        console.print_table(("attribute", "level", "images", "pneumonia"), rows)
    for warning in seen.dataset.warnings:
        console.print_talk(f"warning: {warning}")
    found = seen.checked()
    if found.findings:
        told = [(one.severity, one.check, str(one.count), _told(one)) for one in found.findings]
        console.print_table(("severity", "check", "count", "finding"), told)
    console.print_facts({"verdict": found.verdict})


def _told(finding: Finding) -> str:
    """Return a finding's sentence and, below each other, its examples."""
    return "\n".join((finding.message, *finding.examples))
