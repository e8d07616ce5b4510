"""`cxrbench explain`: show which places of images the score of a model comes from."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cxrbench.cli.explain_gallery import HEADINGS as GALLERY_HEADINGS
from cxrbench.cli.explain_gallery import make_gallery, refuse_beside_gallery
from cxrbench.cli.explain_gallery import rows as gallery_rows
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
    set_up_device,
)
from cxrbench.cli.options import AsJson
from cxrbench.errors import ConfigError, Interrupted, NothingFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cxrbench.benchmark.model.model import Model
    from cxrbench.cli.console import ConsoleProgress
    from cxrbench.models.saliency.method import MethodName

SOME_UNREAD = 1
HEADINGS = ("image", "score", "call", "in the frame", "overlay")


def explain(
    context: typer.Context,
    model: ModelName,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Image files, folders, quoted patterns, or - for a list on standard input"),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="New folder for the maps")] = None,
    gallery: Annotated[
        bool,
        typer.Option("--gallery", help="Write images.html beside the leaderboard's page: the test images it was surest of"),
    ] = False,
    data: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="With --gallery: where the images of the run are", show_default=False)
    ] = "",
    i_may_show_images: Annotated[
        bool, typer.Option("--i-may-show-images", help="With --gallery: I may show these images, though they are not open")
    ] = False,
    method: Annotated[
        Literal["exact", "grad-cam", "occlusion"] | None,
        typer.Option(help="How maps are made  [default: exact, or occlusion where the backbone allows no exact map]"),
    ] = None,
    fold: Fold = None,
    seed: Seed = None,
    all_folds: AllFolds = False,
    file: Files = None,
    trust_code: TrustCode = False,
    device: OnDevice = None,
    as_json: AsJson = False,
) -> None:
    """Show which places of images the score of a model comes from, and how far such maps can be trusted.

    Writes for each image an overlay (PNG) and the map (.npy), and maps.json about all of them. Exits with 1 if an image cannot
    be read. With --gallery, writes one page of the run's own test images: the surest ones, right and wrong.
    """
    from cxrbench.cli import console
    from cxrbench.cli.interrupts import interruptible

    options = ModelOptions(fold=fold, seed=seed, all_folds=all_folds, file=tuple(file or ()), trust_code=trust_code)
    if gallery:
        refuse_beside_gallery(model, paths or (), to, options)
    else:
        _refuse_without_gallery(model, paths or (), to, {"--data": data, "--i-may-show-images": i_may_show_images})
    set_up_device(context.obj, device)
    try:
        with interruptible(), console.ConsoleProgress() as progress:
            if gallery:
                chosen = {"data": data, "seed": seed, "method": method, "may_show": i_may_show_images}
                content = make_gallery(model, context.obj, options, chosen, progress)
            else:
                assert to is not None  # checked above
                opened = open_named(model, context.obj, options, progress)
                others = other_folds(model, context.obj, options, opened, progress)
                content = make_maps(opened, others, paths or (), to, method, progress)
            say_what_it_means(content, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: nothing was written" if gallery else f"interrupted. {to} is not complete") from None
    if as_json:
        console.print_json(content)
    elif gallery:
        console.print_table(GALLERY_HEADINGS, gallery_rows(content))
    else:
        console.print_table(HEADINGS, rows(content))
    raise typer.Exit(SOME_UNREAD if content.get("unreadable") else 0)


def _refuse_without_gallery(model: str, paths: Sequence[str], to: Path | None, of_gallery: Mapping[str, Any]) -> None:
    """Raise ConfigError if something is missing, or belongs to ``--gallery``, and unless the folder is new."""
    from cxrbench.benchmark.explain.files import require_new

    for option in (name for name, value in of_gallery.items() if value):
        raise ConfigError(f"{option} is for --gallery alone: add --gallery, or leave {option} out")
    if not paths or to is None:
        missing = "--to DIR, a new folder for the maps" if paths else "PATH, the images to explain"
        raise ConfigError(f"missing: {missing}. For the test images of the run: cxrbench explain {model} --gallery")
    require_new(to)


def make_maps(
    model: Model,
    others: Iterator[Callable[[], Model]],
    paths: Sequence[str],
    folder: Path,
    method: MethodName | None,
    progress: ConsoleProgress,
) -> dict[str, Any]:
    """Read the images, explain them and write the files; return the content of ``maps.json``."""
    from cxrbench.benchmark.explain.explain import explain as explain_groups
    from cxrbench.benchmark.explain.files import write_maps
    from cxrbench.benchmark.explain.unlearnt import by_model, read_all
    from cxrbench.data.image_paths import find_images

    images, unreadable = read_all(model, find_images(paths))
    if not images:
        for path, reason in unreadable.items():
            progress.warn(f"{path}: {reason}")
        raise NothingFinished(f"no image can be read in {', '.join(paths)}")
    explanation = explain_groups(by_model(model, images, others), method, progress)
    content = write_maps(folder, explanation, model, unreadable)
    progress.say(f"wrote {len(content['images']):,} maps to {folder}")
    return content


def other_folds(
    name: str, given: dict[str, Any], options: ModelOptions, opened: Model, progress: ConsoleProgress
) -> Iterator[Callable[[], Model]]:
    """Yield a function for each other fold of a row, which opens its model, if the user left the choice of the fold free."""
    from cxrbench.leaderboard.store.model_folder import is_model_folder

    if options.fold is None and not options.all_folds and not is_model_folder(Path(name)):
        for fold in range(1, opened.record.protocol.folds):
            yield partial(open_named, name, given, replace(options, fold=fold), progress)


def say_what_it_means(content: dict[str, Any], progress: ConsoleProgress) -> None:
    """Print what the maps show, how far to trust them, and every warning."""
    if reason := content["method"]["no_exact_map"]:
        progress.say(f"No exact map: {reason}.")
    for sentence in (content["method"]["meaning"], *content["trust"]["sentences"]):
        progress.say(sentence)
    warnings = [f"{image['path']}: {warning}" for image in content["images"] for warning in image.get("warnings", ())]
    unreadable = [f"{one['path']}: {one['reason']}" for one in content.get("unreadable", ())]
    for warning in (*content["warnings"], *warnings, *unreadable):
        progress.warn(warning)


def rows(content: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return one row of the table per image."""
    return [
        (image["path"], f"{image['score']:.3f}", image["call"], f"{image['outer_frame']:.0%}", image["overlay"])
        for image in content["images"]
    ]
