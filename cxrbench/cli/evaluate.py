"""`cxrbench evaluate`: measure a model on labelled images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
from cxrbench.cli.options import AsJson
from cxrbench.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cxrbench.benchmark.model.evaluate import Evaluation, Figures
    from cxrbench.benchmark.model.model import Model
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.contracts import Images

SOME_UNREAD = 1
STAGE = "images"
SHOWN_UNREAD = 5


def evaluate(
    context: typer.Context,
    model: ModelName,
    data: Annotated[str, typer.Option(metavar="NAME|PATH", help="Labelled images, as of cxrbench run", show_default=False)],
    as_json: AsJson = False,
    fold: Fold = None,
    seed: Seed = None,
    all_folds: AllFolds = False,
    file: Files = None,
    trust_code: TrustCode = False,
    device: OnDevice = None,
) -> None:
    """Measure a model on labelled images, at its frozen threshold.

    Nothing is chosen on these images. If the model learnt from some of them, the metrics are also given without these. Exit
    code 1: a file could not be read.
    """
    from cxrbench.cli import console

    set_up_scoring(context.obj, device)
    options = ModelOptions(fold=fold, seed=seed, all_folds=all_folds, file=tuple(file or ()), trust_code=trust_code)
    try:
        with interruptible(), console.ConsoleProgress() as progress:
            images = _images(data, context.obj, progress.say)
            opened = open_named(model, context.obj, options, progress)
            for warning in (*images.warnings, *opened.warnings):
                progress.warn(warning)
            evaluation = _evaluate(opened, images, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted") from None
    if as_json:
        console.print_json(_record(opened, evaluation))
    else:
        _print(opened, evaluation)
    if evaluation.unread:
        raise typer.Exit(SOME_UNREAD)


def _images(text: str, given: dict[str, Any], say: Callable[[str], None]) -> Images:
    """Return the images of a dataset, with the settings that were given."""
    from cxrbench.config.settings import read_settings
    from cxrbench.data.download import Downloader
    from cxrbench.data.source import find_dataset, read_images
    from cxrbench.plugin.host import load_host

    settings = read_settings(given)
    host = load_host(settings.plugin, settings.blocked)
    return read_images(find_dataset(text, host, settings.classes), Downloader(offline=settings.offline, say=say).fetch)


def _evaluate(model: Model, images: Images, progress: Progress) -> Evaluation:
    from cxrbench.benchmark.model.evaluate import evaluate as evaluate_model

    progress.begin(STAGE, len(images.records))
    return evaluate_model(model, images, lambda: progress.advance(STAGE))


def _record(model: Model, evaluation: Evaluation) -> dict[str, Any]:
    """Return what JSON says."""
    record = model.record
    return {
        "recipe": record.recipe,
        "stage": record.stage,
        "selections": record.heads.selections,
        "threshold": record.threshold,
        "class_names": record.class_names.model_dump(),
        "dataset": evaluation.dataset,
        "learnt_from": evaluation.parts,
        "warned": evaluation.warned,
        "unread": [{"key": key, "reason": reason} for key, reason in evaluation.unread],
        "all": _figures_record(evaluation.everything),
        "unseen": None if evaluation.unseen is None else _figures_record(evaluation.unseen),
    }


def _figures_record(figures: Figures) -> dict[str, Any]:
    summary = figures.summary
    return {
        "negative": figures.negative,
        "positive": figures.positive,
        "patients": figures.patients,
        "metrics": summary.metrics if summary else None,
        "intervals": summary.intervals if summary else None,
    }


def _print(model: Model, evaluation: Evaluation) -> None:
    """Print the metrics as a table, with what must be read with them."""
    from cxrbench.cli import console

    record = model.record
    console.print_facts(
        {
            "model": f"{record.name}, threshold {record.threshold:.4g} ({record.threshold_rule})",
            "dataset": evaluation.dataset,
            "images": _counted(evaluation.everything, record.class_names.negative, record.class_names.positive),
        }
    )
    columns = [("all images", evaluation.everything)]
    if evaluation.unseen is not None:
        columns.append(("not learnt from", evaluation.unseen))
    headings = [heading for name, _ in columns for heading in (name, "95 % interval")]
    console.print_table(("metric", *headings), _rows([figures for _, figures in columns]))
    for note in _notes(model, evaluation):
        console.print_text(f"* {note}\n")


def _rows(columns: Sequence[Figures]) -> Iterator[tuple[str, ...]]:
    summaries = [figures.summary for figures in columns]
    assert summaries[0] is not None  # evaluating has checked that both classes are there
    for name in summaries[0].metrics:
        cells: list[str] = []
        for summary in summaries:
            if summary is None:
                cells += ("-", "")
            else:
                low, high = summary.intervals[name]
                cells += (f"{summary.metrics[name]:.4f}", f"{low:.4f} to {high:.4f}")
        yield (name, *cells)


def _counted(figures: Figures, negative: str, positive: str) -> str:
    total = figures.negative + figures.positive
    return f"{total:,} ({figures.negative:,} {negative}, {figures.positive:,} {positive}) of {figures.patients:,} patients"


def _notes(model: Model, evaluation: Evaluation) -> Iterator[str]:
    """Yield what must be read with the metrics."""
    from cxrbench.benchmark.model.warnings import PART_NAMES

    record = model.record
    yield f"ppv and npv are at a prevalence of {record.protocol.prevalence:g}"
    for part, count in evaluation.parts.items():
        yield f"{count:,} of the images are {PART_NAMES[part]} images of this model"
    if unseen := evaluation.unseen:
        yield f"not learnt from: {_counted(unseen, record.class_names.negative, record.class_names.positive)}"
        if not unseen.summary:
            yield "metrics without the images that it learnt from need images of both classes"
    if evaluation.warned:
        yield f"{evaluation.warned:,} images have warnings; cxrbench predict shows them"
    for key, reason in evaluation.unread[:SHOWN_UNREAD]:
        yield f"could not be read: {key} {reason}"
    if len(evaluation.unread) > SHOWN_UNREAD:
        yield f"{len(evaluation.unread) - SHOWN_UNREAD:,} more files could not be read; --json lists them"
