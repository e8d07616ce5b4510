"""Read images, and find for each one heads that did not learn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.benchmark.model.warnings import ReadImage, warnings_of
from cxrbench.data.decoding.dicom_view import view_of
from cxrbench.data.decoding.helper import dismiss_helpers
from cxrbench.data.decoding.image_bytes import digest_of, read_file, reading_failure
from cxrbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.benchmark.model.model import Model
    from cxrbench.data.image_paths import FoundPath
    from cxrbench.leaderboard.store.image_record import Part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GreyImage:
    """An image that was read.

    Attributes:
        number: its place among those that were read, from 1.
        name: the path of its file, or its key in a dataset.
        pixels: uint8 ``[s, s]``.
        digests: of the file and of its pixels.
        warnings: why its score may not hold.
    """

    number: int
    name: str
    pixels: NDArray[np.uint8]
    digests: tuple[str, str]
    warnings: tuple[str, ...]

    def part(self, model: Model) -> Part | None:
        """Return the part of the model's dataset that the image belongs to; None if it is a new one."""
        return next((model.learnt[digest] for digest in self.digests if digest in model.learnt), None)

    def is_learnt_by(self, model: Model) -> bool:
        """Return whether the heads or the threshold of the model depend on the image."""
        return self.part(model) in {"train", "validation"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Images that the same model explains."""

    model: Model
    images: tuple[GreyImage, ...]


def read_all(model: Model, found: Iterable[FoundPath]) -> tuple[list[GreyImage], dict[Path, str]]:
    """Return the images that can be read, and the reason for each path that cannot."""
    images: list[GreyImage] = []
    unreadable: dict[Path, str] = {}
    for one in found:
        try:
            images.append(_read(model, one, len(images) + 1))
        except (DataError, OSError) as error:
            unreadable[one.path] = reading_failure(error)
    dismiss_helpers()
    return images, unreadable


def _read(model: Model, found: FoundPath, number: int) -> GreyImage:
    if found.problem:
        raise DataError(found.problem)
    data = read_file(found.path)
    pixels, facts = model.classifier.read(data)
    seen = ReadImage(part=None, view=view_of(data), pixels=pixels, facts=facts)
    return GreyImage(
        number=number,
        name=str(found.path),
        pixels=pixels,
        digests=(digest_of(data), facts.pixels),
        warnings=warnings_of(model.record, [seen])[0],
    )


def by_model(model: Model, images: Sequence[GreyImage], others: Iterable[Callable[[], Model]]) -> list[Group]:
    """Group images by a model that did not learn from them.

    Args:
        model: takes the images that it did not learn from, and those that every model has learnt from.
        images: to be explained.
        others: open models of other folds, as long as images are left that no earlier one takes.
    """
    groups, left = list[Group](), [image for image in images if image.is_learnt_by(model)]
    for open_other in others:
        if not left:
            break
        other = open_other()
        tested = [image for image in left if image.part(other) == "test"]
        left = [image for image in left if image.part(other) != "test"]
        groups.append(Group(model=other, images=tuple(tested)))
    taken = {id(image) for group in groups for image in group.images}
    first = Group(model=model, images=tuple(image for image in images if id(image) not in taken))
    return [group for group in (first, *groups) if group.images]
