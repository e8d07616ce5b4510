"""`cxrbench data convert`: write any dataset as a CSV file that can be edited, handed on and read again."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.data_inspector import DatasetArgument, open_inspector
from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.data.conversion import Conversion
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.contracts import Images

STAGE = "images"
TO = Annotated[Path, typer.Option("--to", metavar="FILE", help="New CSV file", show_default=False)]
IMAGES = Annotated[
    Path | None,
    typer.Option("--images", metavar="FOLDER", help="New folder for the images, where they are not files of their own"),
]


def convert_dataset(context: typer.Context, source: DatasetArgument, to: TO, images: IMAGES = None) -> None:
    """Write any dataset as a CSV file that you can edit, hand on and use as a dataset.

    Paths are relative to the file. Images are written only with --images: pixels as PNG, encoded images as they are.
    """
    _require_new(to, images)
    with open_inspector(context.obj, data=source) as inspector:
        listed = inspector.name_images(inspector.find())
        for warning in (*listed.warnings, *listed.leaks):
            inspector.progress.warn(warning)
        conversion = _convert(listed, to, images, inspector.progress)
        for line in _closing_lines(listed, conversion, to):
            inspector.progress.say(line)


def _require_new(to: Path, images: Path | None) -> None:
    from cxrbench.storage.files import check_writable
    from cxrbench.storage.whole_folder import require_free

    if to.suffix.lower() != ".csv":
        raise ConfigError(f"--to {to}: name a file that ends in .csv")
    if to.exists():
        raise ConfigError(f"--to {to}: exists already. Name a new file, or remove that one")
    if images is not None:
        require_free(images, "--images")
    check_writable(to.parent, "--to")


def _convert(images: Images, to: Path, folder: Path | None, progress: Progress) -> Conversion:
    from cxrbench.data.conversion import convert, file_of, write_images
    from cxrbench.data.dataset import check_records
    from cxrbench.storage.files import write_text
    from cxrbench.storage.whole_folder import whole_folder

    check_records(images.records)
    if folder is None:
        conversion = convert(images, to.parent, partial(file_of, images))
    else:
        with whole_folder(folder, "--images") as temporary:
            progress.begin(STAGE, len(images.records))
            names = write_images(images, temporary, lambda: progress.advance(STAGE))
        conversion = convert(images, to.parent, lambda record: folder / names[record.key])
    write_text(to, conversion.text())
    return conversion


def _closing_lines(images: Images, conversion: Conversion, to: Path) -> Iterator[str]:
    from cxrbench.data.conversion import NUMBERS
    from cxrbench.data.licence import RESTRICTED

    positives = sum(record.label for record in images.records)
    names = images.class_names
    counts = f"{len(images.records) - positives:,} {names.negative}, {positives:,} {names.positive}"
    yield f"wrote {len(images.records):,} images ({counts}) to {to}"
    licence = "" if images.licence_class == "undeclared" else f",licence={images.licence_class}"
    data = f"manifest:source={to}{licence}" if licence else str(to)
    labels = conversion.labels
    flags = "" if labels == NUMBERS else f" --positive {shlex.quote(labels.positive)} --negative {shlex.quote(labels.negative)}"
    yield f"Next: cxrbench run --data {shlex.quote(data)}{flags}"
    if images.licence_class in RESTRICTED:
        warning = "the file names them and their patients. Keep it to yourself"
        yield f"The licence class of these images is {images.licence_class}: {warning}"
