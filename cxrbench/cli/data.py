"""`cxrbench data`: look at a data set before it is used."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split

data = typer.Typer(help="Look at a data set before it is used.", no_args_is_help=True)


@data.callback()
def _group() -> None:
    """Keep `inspect` a command of its own."""


@data.command()
def inspect(
    source: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A dataset's name, or a path that one recognises")],
    split: Annotated[str | None, typer.Option(metavar="NAME", help="official, grouped or paper")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the split")] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width in pixels")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A one-file plugin, repeatable")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch nothing")] = False,
) -> None:
    """Show what a data set holds, what cannot be read, and how it would be divided."""
    from cxrbench import benchmark, config, console
    from cxrbench.data.audit import audit_dataset, audit_split
    from cxrbench.data.dataset import load_dataset
    from cxrbench.data.source import downloads_folder, find_dataset
    from cxrbench.data.split import default_split, split_dataset
    from cxrbench.downloads import Downloader
    from cxrbench.files import check_writable, home
    from cxrbench.plugin.host import load_host

    flags = {"split": split, "seed": seed, "image_size": image_size, "plugin": plugin, "offline": offline or None}
    settings = config.read_settings({"data": source, **flags})
    host = load_host(settings.plugin, settings.blocked)
    found = find_dataset(settings.data, host)
    check_writable(home(), "CXRBENCH_HOME")
    with console.ConsoleProgress() as progress, benchmark.kept_below(settings.cache_gb, progress) as claim:
        downloader = Downloader(folder=downloads_folder(), offline=settings.offline, say=progress.say)
        catalogue = benchmark.read_catalogue(found, settings, downloader)
        claim([catalogue.pixels.films.folder])
        deque(benchmark.decode(catalogue, progress), maxlen=0)
        dataset = load_dataset(catalogue)
    console.print_facts({**_facts(dataset), **({"notice": found.spec.notice} if found.spec.notice else {})})
    for warning in audit_dataset(dataset, strict=False):
        console.print_talk(f"warning: {warning}")
    name = settings.split or default_split(dataset.records)
    divided = split_dataset(dataset, name, settings.seed)
    console.print_table((name, "images", "normal", "pneumonia", "patients"), _parts(dataset, divided))
    for warning in audit_split(dataset, divided):
        console.print_talk(f"warning: {warning}")


def _facts(dataset: LoadedDataset) -> dict[str, object]:
    return {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "images": len(dataset.records),
        "patients": len(set(dataset.patients)),
        "skipped files": len(dataset.skipped),
    }


def _parts(dataset: LoadedDataset, split: Split) -> list[tuple[str, ...]]:
    rows = []
    for part, here in (("train", split.train), ("validation", split.validation), ("test", split.test)):
        pneumonia = int(dataset.labels[here].sum())
        counts = (len(here), len(here) - pneumonia, pneumonia, len(set(dataset.patients[here])))
        rows.append((part, *(str(count) for count in counts)))
    return rows
