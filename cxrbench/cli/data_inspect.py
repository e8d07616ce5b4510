"""`cxrbench data inspect`: show what is in a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.data_inspector import DatasetArgument, open_inspector, print_split, print_warnings
from cxrbench.cli.data_tables import print_ages, print_composition, print_sizes
from cxrbench.errors import ConfigError
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from cxrbench.cli.data_inspector import Inspector
    from cxrbench.plugin.contracts import Images

SHEET = "--sheet"
UNOPENED = "No image was opened. --sizes opens them: sizes, what cannot be read, images that are there twice"


def inspect_dataset(
    context: typer.Context,
    source: DatasetArgument,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Open all images: show sizes, what cannot be read, and what the audit warns of")
    ] = False,
    sheet: Annotated[
        Path | None, typer.Option(SHEET, metavar="FILE", help="Draw a few images of each class and split in a new PNG file")
    ] = None,
    i_may_show_images: Annotated[
        bool,
        typer.Option("--i-may-show-images", help="With --sheet: I may show these images, though their licence restricts it"),
    ] = False,
) -> None:
    """Show the images of each class, their ages, and how they are divided.

    No image is opened without --sizes or --sheet.
    """
    from cxrbench.cli import console

    _check_sheet(sheet, may_show=i_may_show_images)
    with open_inspector(context.obj, data=source, folds=1) as inspector:
        part = inspector.find()
        images = inspector.list_images(part)
        if sheet:
            _write_sheet(sheet, images, inspector, may_show=i_may_show_images)
        inspection = inspector.inspect_images(part) if sizes else inspector.inspect_tables(part, images)
    console.print_facts(inspection.facts())
    print_composition(inspection.dataset)
    print_ages(inspection.dataset)
    print_sizes(inspection.dataset)
    print_split(inspection)
    print_warnings(inspection)
    if not sizes:
        console.print_message(UNOPENED)
    for warning in inspection.checked_audit().warnings:
        console.print_message(f"warning: {warning}")


def _check_sheet(sheet: Path | None, *, may_show: bool) -> None:
    if sheet is None:
        if may_show:
            raise ConfigError(f"--i-may-show-images is for {SHEET} alone: add {SHEET} FILE.png, or leave it out")
        return
    if sheet.suffix.lower() != ".png":
        raise ConfigError(f"{SHEET} {sheet}: name a file that ends in .png")
    if sheet.exists():
        raise ConfigError(f"{SHEET} {sheet}: exists already. Name a new file, or remove that one")


def _write_sheet(file: Path, images: Images, inspector: Inspector, *, may_show: bool) -> None:
    from cxrbench.data.contact_sheet import draw_sheet, sheet_rows
    from cxrbench.data.licence import require_no_agreement
    from cxrbench.storage.files import atomic_write

    require_no_agreement(SHEET, images.name, images.licence_class, may_show)
    rows = sheet_rows(images)
    drawn = draw_sheet(images, rows, lambda key, reason: inspector.progress.warn(f"{SHEET}: {as_line(key)} {reason}"))
    with atomic_write(file) as stream:
        drawn.save(stream, "PNG")
    inspector.progress.say(f"wrote {sum(len(records) for _, records in rows)} images to {file}")
