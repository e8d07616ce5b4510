"""`cxrbench data name`: say which image or patient a pseudonym stands for."""

from __future__ import annotations

from typing import Annotated

import typer

from cxrbench.cli.data_inspector import DatasetArgument, open_inspector
from cxrbench.errors import ConfigError

PSEUDONYMS = Annotated[
    list[str], typer.Argument(metavar="PSEUDONYM...", help="From a list of skipped files, a table of predictions, ...")
]


def name_images(context: typer.Context, source: DatasetArgument, pseudonyms: PSEUDONYMS) -> None:
    """Print which image or patient of a credentialed dataset each pseudonym stands for.

    This needs the secret of the machine where the pseudonyms were written.
    """
    from cxrbench.cli import console
    from cxrbench.data.pseudonyms import names_behind, user_secret

    with open_inspector(context.obj, data=source) as inspector:
        images = inspector.name_images(inspector.find())
    if images.licence_class != "credentialed":
        raise ConfigError(f"{images.name} has no pseudonyms: its licence class is {images.licence_class}")
    names = names_behind(images, user_secret())
    if unknown := [text for text in pseudonyms if text not in names]:
        raise ConfigError(f"{unknown[0]} is neither an image nor a patient of {images.name}, or another secret wrote it")
    console.print_facts({text: names[text] for text in pseudonyms})
