"""`cxrbench explain ROW --gallery`: the page of test images with saliency maps."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrbench.cli.model_options import open_named, surroundings_of
from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.benchmark.model.model import Model
    from cxrbench.cli.model_options import ModelOptions
    from cxrbench.execution.progress import Progress

HEADINGS = ("outcome", "image", "score", "call", "in the frame")


def refuse_beside_gallery(model: str, paths: Sequence[str], to: Path | None, options: ModelOptions) -> None:
    """Raise ConfigError for what has no meaning beside ``--gallery``."""
    from cxrbench.leaderboard.store.model_folder import is_model_folder

    if paths:
        raise ConfigError("--gallery chooses the images itself, from the test images of the run: leave PATH out")
    if to is not None:
        raise ConfigError("--gallery writes its page beside that of the leaderboard: leave --to out")
    if options.fold is not None or options.all_folds:
        raise ConfigError(
            "--gallery takes for each image the model of the fold that tested it: leave --fold and --all-folds out"
        )
    if is_model_folder(Path(model)):
        raise ConfigError(f"{model} is an exported model, which has no test images: --gallery needs a row of a leaderboard")


def make_gallery(
    model: str, given: dict[str, Any], options: ModelOptions, chosen: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Write the page of a row and return what is known about its images; `chosen` are the fields of a `GalleryRequest`."""
    from cxrbench.benchmark.explain.gallery import GalleryRequest, read_subject, write_gallery
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.lookup import find_entry

    settings, request = read_settings(given), GalleryRequest(**chosen)
    path = find_entry(model, settings.out, progress.say)
    subject = read_subject(path, request, surroundings_of(settings, options, progress))
    content = write_gallery(subject, request, partial(_open_fold, str(path), given, options, progress), progress)
    progress.say(f"wrote {len(content['images'])} images to {content['page']}")
    return content


def _open_fold(name: str, given: dict[str, Any], options: ModelOptions, progress: Progress, fold: int) -> Model:
    return open_named(name, given, replace(options, fold=fold), progress)


def rows(content: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return one row of the table per image."""
    return [
        (image["outcome"], image["key"], f"{image['score']:.3f}", image["call"], f"{image['outer_frame']:.0%}")
        for image in content["images"]
    ]
