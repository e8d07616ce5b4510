"""Pretrained weights of backbones: which file is needed, whether it exists, and how to get it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cxrbench.config.options import PRETRAINED, UNTRAINED, default_weights
from cxrbench.errors import ConfigError, Unavailable
from cxrbench.models.whole_files import problem_of_size
from cxrbench.storage.files import digest_file

if TYPE_CHECKING:
    from pathlib import Path

    from cxrbench.config.part import Part
    from cxrbench.data.download import Downloader
    from cxrbench.plugin.contracts import Download
    from cxrbench.plugin.specs import Backbone


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weights that a backbone is built with.

    Attributes:
        name: what the user chose, as identities count it: a file by its bytes.
        digest: SHA-256 of the weights file; empty if there is no file.
        given: the factory's argument `weights`.
        origin: which file it is and where it is from, in a few words.
    """

    name: str
    digest: str = ""
    given: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)

    @property
    def argument(self) -> str:
        """The factory's argument `weights`."""
        return self.given or self.name


def weights_option(backbone: Part[Backbone]) -> str:
    """Return the option `weights`, a file as its path; the default is that of `default_weights`."""
    return str(backbone.option("weights", default_weights(backbone.spec)))


def weights_file(backbone: Part[Backbone], input_shape: tuple[int, int, int]) -> Download | None:
    """Return the weights file that the backbone needs, or None if it needs no file that its plugin names.

    Raises:
        Unavailable: the backbone has no weights for these options; the message says which options to use instead.
        ConfigError: the option `weights` has a value that means nothing to the backbone.
    """
    chosen, is_file = weights_option(backbone), "weights" in backbone.files
    known = {UNTRAINED, default_weights(backbone.spec)}
    file: Download | None = None
    if backbone.spec.weights:
        choose = backbone.resolve(backbone.spec.weights)
        file = choose(input_shape=input_shape, weights=chosen, **backbone.arguments)
    if file is None and chosen not in known and not is_file:
        raise ConfigError(f"backbone {backbone.component}: unknown weights={chosen}. Write {_choices(backbone.spec)}")
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
    local = backbone.files.get("weights")
    if local is None:
        origin = ", ".join(filter(None, (file.file_name, file.origin))) if file else ""
        return Weights(name=weights_option(backbone), digest=digest_file(path) if path else "", origin=origin)
    digest = digest_file(path) if path else local.digest
    return Weights(name=local.canonical, digest=digest, given=local.given, origin=local.path.name)


def _choices(spec: Backbone) -> str:
    return (
        f"weights={PRETRAINED}, weights={UNTRAINED} or weights=FILE" if spec.weights else f"weights={UNTRAINED} or weights=FILE"
    )
