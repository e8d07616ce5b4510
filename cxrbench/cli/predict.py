"""`cxrbench predict`: score images with a model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.interrupts import interruptible
from cxrbench.cli.model_options import (
    AllFolds,
    Files,
    Fold,
    ModelName,
    ModelOptions,
    OnDevice,
    Seed,
    TrustCode,
    open_named,
    set_up_scoring,
)
from cxrbench.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxrbench.benchmark.model.model import Model
    from cxrbench.benchmark.model.predict import Prediction
    from cxrbench.execution.progress import Progress

SOME_UNREAD = 1
STAGE = "images"


def predict(
    context: typer.Context,
    model: ModelName,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Image files, folders, quoted patterns, or - for a list on standard input"),
    ],
    prevalence: Annotated[
        float | None,
        typer.Option(metavar="P", help="Add ppv and npv: how probable it is that the call is right at this prevalence"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line instead of CSV")] = False,
    fold: Fold = None,
    seed: Seed = None,
    all_folds: AllFolds = False,
    file: Files = None,
    trust_code: TrustCode = False,
    device: OnDevice = None,
) -> None:
    """Score images with a model. No labels are needed.

    Prints CSV with the columns path, score, call, threshold and warning. A file that cannot be read has a line with the reason;
    the exit code is then 1.
    """
    from cxrbench.cli import console

    set_up_scoring(context.obj, device)
    total = _count(paths)
    options = ModelOptions(fold=fold, seed=seed, all_folds=all_folds, file=tuple(file or ()), trust_code=trust_code)
    write = console.open_stdout()
    try:
        with interruptible(), console.ConsoleProgress() as progress:
            opened = open_named(model, context.obj, options, progress)
            for warning in opened.warnings:
                progress.warn(warning)
            header, line_of = _form(opened, prevalence, as_json=as_json)
            write(header)
            progress.begin(STAGE, total)
            unread = _write_all(opened, paths, lambda prediction: write(line_of(prediction)), progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted. Every line that was printed is complete") from None
    if unread:
        console.print_message(
            f"{unread:,} file{'s' if unread > 1 else ''} could not be read. The reason is in the line of the file"
        )
        raise typer.Exit(SOME_UNREAD)


def _count(paths: Sequence[str]) -> int:
    """Return the number of images; 0 if it is not known until standard input has been read.

    Raises:
        ConfigError: there are none.
    """
    from cxrbench.data.image_paths import STANDARD_INPUT, find_images

    if STANDARD_INPUT in paths:
        return 0
    if total := sum(1 for _ in find_images(paths)):
        return total
    raise ConfigError(f"no image files in {', '.join(paths)}. To try a file of another name, name the file itself")


def _form(model: Model, prevalence: float | None, *, as_json: bool) -> tuple[str, Callable[[Prediction], str]]:
    """Return the header, if there is one, and a function that returns the line of a prediction."""
    from cxrbench.benchmark.model.prevalence import predictive_values
    from cxrbench.cli.prediction_lines import csv_header, csv_line, json_line

    values = None if prevalence is None else predictive_values(model.record, prevalence)
    if as_json:
        return "", partial(json_line, values=values)
    return csv_header(values), partial(csv_line, values=values)


def _write_all(model: Model, paths: Sequence[str], write: Callable[[Prediction], None], progress: Progress) -> int:
    """Write the predictions of all images, and return how many of these could not be read."""
    from cxrbench.benchmark.model.predict import predict_files
    from cxrbench.data.image_paths import find_images

    unread = 0
    for prediction in predict_files(model, find_images(paths)):
        write(prediction)
        progress.advance(STAGE)
        unread += prediction.score is None
    return unread
