"""Pretrained weights of backbones: which file is needed, whether it exists, and how to get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.errors import Unavailable
from cxrbench.models.whole_files import problem_of_size
from cxrbench.storage.files import digest_file

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.config.component import Part
    from cxrbench.data.download import Downloader
    from cxrbench.plugin.contracts import Download
    from cxrbench.plugin.specs import Backbone


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weights that a backbone is built with.

    Attributes:
        name: the factory's argument `weights`.
        digest: SHA-256 of the weights file; empty if there is no file.
    """

    name: str
    digest: str = ""


def weights_option(backbone: Part[Backbone]) -> str:
    """Return the option `weights`; the default is `imagenet` for a backbone with pretrained weights, otherwise `none`."""
    return str(backbone.option("weights", "imagenet" if backbone.spec.weights else "none"))


def weights_file(backbone: Part[Backbone], input_shape: tuple[int, int, int]) -> Download | None:
    """Return the weights file that the backbone needs, or None if it needs no file.

    Raises:
        Unavailable: the backbone has no weights for these options; the message says which options to use instead.
    """
    if not backbone.spec.weights:
        return None
    choose = backbone.resolve(backbone.spec.weights)
    file: Download | None = choose(input_shape=input_shape, weights=weights_option(backbone), **backbone.arguments)
    return file


def weights_available(backbone: Part[Backbone], input_shape: tuple[int, int, int], downloader: Downloader) -> bool:
    """Return whether the backbone can be built without a download."""
    try:
        file = weights_file(backbone, input_shape)
    except Unavailable:
        return False
    return file is None or downloader.path_of(file).is_file()


def get_weights(backbone: Part[Backbone], input_shape: tuple[int, int, int], downloader: Downloader) -> Weights:
    """Return the weights, downloading the file if it is missing; raise Unavailable if that is not possible or it is cut off."""
    file = weights_file(backbone, input_shape)
    path: Path | None = downloader.fetch(file) if file else None
    if path and (problem := problem_of_size(path)):
        raise Unavailable(f"weights file {path} {problem}. Remove it, and download or copy it again")
    return Weights(name=weights_option(backbone), digest=digest_file(path) if path else "")
