"""`cxrbench explain`: show which places of images the score of a model comes from."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cxrbench.cli.model_options import AllFolds, Files, Fold, ModelName, ModelOptions, Seed, TrustCode, open_named
from cxrbench.cli.options import AsJson
from cxrbench.errors import NothingFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cxrbench.benchmark.explain.explain import Explanation
    from cxrbench.benchmark.model.model import Model
    from cxrbench.cli.console import ConsoleProgress

HEADINGS = ("image", "score", "call", "in the frame", "overlay")


def explain(
    context: typer.Context,
    model: ModelName,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Images: files or folders", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="New folder for the maps")],
    method: Annotated[
        Literal["exact", "grad-cam", "occlusion"] | None,
        typer.Option(help="How maps are made  [default: exact, or occlusion where the backbone allows no exact map]"),
    ] = None,
    fold: Fold = None,
    seed: Seed = None,
    all_folds: AllFolds = False,
    file: Files = None,
    trust_code: TrustCode = False,
    as_json: AsJson = False,
) -> None:
    """Show which places of images the score of a model comes from, and how far such maps can be trusted.

    Writes for each image an overlay (PNG) and the map (.npy), and maps.json about all of them. Exits with 1 if an image cannot
    be read.
    """
    from cxrbench.benchmark.explain.explain import explain as make_maps
    from cxrbench.benchmark.explain.files import require_new, write_maps
    from cxrbench.benchmark.explain.unlearnt import by_model, read_all
    from cxrbench.cli import console

    require_new(to)
    options = ModelOptions(fold=fold, seed=seed, all_folds=all_folds, file=tuple(file or ()), trust_code=trust_code)
    with console.ConsoleProgress() as progress:
        opened = open_named(model, context.obj, options, progress)
        for warning in opened.warnings:
            progress.warn(warning)
        images, unreadable = read_all(opened.classifier, image_files(paths))
        for path, reason in unreadable.items():
            progress.warn(f"{path}: {reason}")
        if not images:
            raise NothingFinished("no image can be read")
        groups = by_model(opened, images, other_folds(model, context.obj, options, opened, progress))
        explanation = make_maps(groups, method, progress)
        content = write_maps(to, explanation, opened.record, unreadable)
        say_what_it_means(explanation, progress)
    if as_json:
        console.print_json(content)
    else:
        console.print_table(HEADINGS, rows(content, to))
    raise typer.Exit(1 if unreadable else 0)


def other_folds(
    name: str, given: dict[str, Any], options: ModelOptions, opened: Model, progress: ConsoleProgress
) -> Iterator[Callable[[], Model]]:
    """Yield a function for each other fold of a row, which opens its model, if the user left the choice of the fold free."""
    if options.fold is None and not options.all_folds and not Path(name).is_dir():
        for fold in range(1, opened.record.protocol.folds):
            yield partial(open_named, name, given, replace(options, fold=fold), progress)


def image_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files among the paths, and all files below the folders among them."""
    return [file for path in paths for file in (_files_below(path) if path.is_dir() else [path])]


def _files_below(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))


def say_what_it_means(explanation: Explanation, progress: ConsoleProgress) -> None:
    """Print what the maps show, how far to trust them, and the images that the model learnt from."""
    from cxrbench.benchmark.explain.files import learnt_paths
    from cxrbench.models.saliency.trust import sentences

    if explanation.reason:
        progress.say(f"No exact map: {explanation.reason}.")
    progress.say(explanation.meaning)
    for sentence in sentences(explanation.trust):
        progress.say(sentence)
    for path in learnt_paths(explanation.images):
        progress.warn(f"{path}: the model learnt from this image")


def rows(content: dict[str, Any], folder: Path) -> list[tuple[str, ...]]:
    """Return one row of the table per image."""
    return [
        (image["path"], f"{image['score']:.3f}", image["call"], f"{image['outer_frame']:.0%}", str(folder / image["overlay"]))
        for image in content["images"]
    ]
