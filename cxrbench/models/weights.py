"""Say which pretrained weights a backbone needs, whether they are on the machine, and how to get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.errors import Unavailable
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
        name: what the factory gets as `weights`.
        digest: SHA-256 of the file; empty where there is none.
    """

    name: str
    digest: str = ""


def weights_option(backbone: Part[Backbone]) -> str:
    """Return what the user chose, or `imagenet` for a backbone that has pretrained weights and `none` for the others."""
    return str(backbone.option("weights", "imagenet" if backbone.spec.weights else "none"))


def weights_file(backbone: Part[Backbone], input_shape: tuple[int, int, int]) -> Download | None:
    """Return the file that the backbone needs, or None if it needs no file.

    Raises:
        Unavailable: the backbone says that it cannot be had as it was asked for, and what to write instead.
    """
    if not backbone.spec.weights:
        return None
    find = backbone.resolve(backbone.spec.weights)
    file: Download | None = find(input_shape=input_shape, weights=weights_option(backbone), **backbone.arguments)
    return file


def are_here(backbone: Part[Backbone], input_shape: tuple[int, int, int], downloader: Downloader) -> bool:
    """Return whether the backbone could be built now, without a download."""
    try:
        file = weights_file(backbone, input_shape)
    except Unavailable:
        return False
    return file is None or downloader.path_of(file).is_file()


def get_weights(backbone: Part[Backbone], input_shape: tuple[int, int, int], downloader: Downloader) -> Weights:
    """Return the weights, fetching their file if it is not on the machine; raise Unavailable if it cannot be had."""
    file = weights_file(backbone, input_shape)
    path: Path | None = downloader.fetch(file) if file else None
    return Weights(name=weights_option(backbone), digest=digest_file(path) if path else "")
