"""`cxrbench export`: keep the model of a row as a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cxrbench.cli.model_options import (
    AllFolds,
    Files,
    Fold,
    ModelOptions,
    Seed,
    TrustCode,
    head_choice,
    set_up_device,
    surroundings_of,
)


def export(
    context: typer.Context,
    row: Annotated[str, typer.Argument(metavar="ROW", help="Rank, recipe or entry file of a row")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write: new, or empty")],
    format: Annotated[
        Literal["keras", "onnx", "plugin"] | None,
        typer.Option(
            help="keras: one file that needs Keras alone; onnx: also a file for ONNX Runtime; plugin: a folder that needs "
            "cxrbench and the plugin  [default: keras if the backbone is a Keras model, else plugin]",
            show_default=False,
        ),
    ] = None,
    fold: Fold = None,
    seed: Seed = None,
    all_folds: AllFolds = False,
    file: Files = None,
    trust_code: TrustCode = False,
) -> None:
    """Write the model of a row as one folder.

    The folder has the model, its record (`model.json`), a model card (`README.md`) and a self-test. It is written whole or not
    at all.
    """
    from cxrbench.benchmark.model.choice import HeadChoice
    from cxrbench.benchmark.model.export import ExportRequest, export_model
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.lookup import find_entry

    set_up_device(context.obj, "cpu")
    options = ModelOptions(fold=fold, seed=seed, all_folds=all_folds, file=tuple(file or ()), trust_code=trust_code)
    settings = read_settings(context.obj)
    request = ExportRequest(
        entry=find_entry(row, settings.out, console.print_message),
        choice=head_choice(options) or HeadChoice(),
        folder=to,
        format=format,
    )
    with console.ConsoleProgress() as progress:
        export_model(request, surroundings_of(settings, options, progress), progress)
    console.print_text(f"{to}\n")
    for path in sorted(to.iterdir()):
        console.print_text(f"{to / path.name}\n")
