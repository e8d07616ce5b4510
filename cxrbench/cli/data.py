"""`cxrbench data`: look at a data set before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

data = typer.Typer(help="Look at a data set before it is used.", no_args_is_help=True)


@data.callback()
def _group() -> None:
    """Keep `inspect` a command of its own."""


@data.command()
def inspect(
    source: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A dataset's name, or a path that one recognises")],
    split: Annotated[str | None, typer.Option(help="official, grouped or paper")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the split")] = None,
    image_size: Annotated[int | None, typer.Option(help="Height and width in pixels")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A one-file plugin, repeatable")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch nothing")] = False,
) -> None:
    """Show what a data set holds, what cannot be read, and how it would be divided."""
    from cxrbench import benchmark, config, console
    from cxrbench.data.source import downloads_folder, find_dataset
    from cxrbench.downloads import Downloader
    from cxrbench.plugin.host import load_host

    flags = {"split": split, "seed": seed, "image_size": image_size, "plugin": plugin, "offline": offline or None}
    settings = config.read_settings({"data": source, **flags})
    host = load_host(settings.plugin, settings.blocked)
    with console.ConsoleProgress() as progress:
        downloader = Downloader(folder=downloads_folder(), offline=settings.offline, say=progress.say)
        found = find_dataset(settings.data, host)
        dataset = benchmark.load(found, settings, downloader, progress)
    console.print_facts(_facts(dataset, found.spec.notice))
    console.print_table(("part", "images", "normal", "pneumonia", "patients"), _parts(dataset, settings))
    _print_warnings(dataset, settings)


def _facts(dataset: Any, notice: str) -> dict[str, Any]:
    facts = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "images": len(dataset.records)}
    facts |= {"patients": len(set(dataset.patients)), "skipped files": len(dataset.skipped)}
    return {**facts, "notice": notice} if notice else facts


def _parts(dataset: Any, settings: Any) -> list[tuple[str, ...]]:
    import numpy as np

    from cxrbench.data.audit import audit_dataset
    from cxrbench.data.split import default_split, split_dataset

    audit_dataset(dataset, strict=False)
    name = settings.split or default_split(dataset.records)
    split = split_dataset(dataset, name, settings.seed)
    rows = []
    for part, here in (("train", split.train), ("validation", split.validation), ("test", split.test)):
        normal, pneumonia = np.bincount(dataset.labels[here], minlength=2)
        counts = (len(here), normal, pneumonia, len(set(dataset.patients[here])))
        rows.append((f"{name} {part}", *(str(count) for count in counts)))
    return rows


def _print_warnings(dataset: Any, settings: Any) -> None:
    from cxrbench.console import ConsoleProgress
    from cxrbench.data.audit import audit_dataset, audit_split
    from cxrbench.data.split import default_split, split_dataset

    split = split_dataset(dataset, settings.split or default_split(dataset.records), settings.seed)
    with ConsoleProgress() as progress:
        for warning in (*audit_dataset(dataset, strict=False), *audit_split(dataset, split)):
            progress.warn(warning)
