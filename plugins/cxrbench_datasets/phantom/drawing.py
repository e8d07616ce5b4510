"""Draw the image of a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.plugin import DataError
from cxrbench_datasets.phantom.anatomy import sample_anatomy
from cxrbench_datasets.phantom.bones import draw_bones
from cxrbench_datasets.phantom.chest import draw_chest, outline_lungs
from cxrbench_datasets.phantom.exposure import render, sample_exposure, sample_position
from cxrbench_datasets.phantom.opacities import draw_opacity, sample_opacity
from cxrbench_datasets.phantom.shapes import Pixels, place
from cxrbench_datasets.phantom.streams import stream
from cxrbench_datasets.phantom.vessels import draw_vessels

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench_datasets.phantom.patients import PhantomImage


COARSEST = 112
"""Ribs and vessels need this many pixels; above, half the image size is enough, because images are slightly blurred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Draws the image of a key.

    Attributes:
        images: all images by key.
        seed: of the dataset.
        size: height and width in pixels.
    """

    images: Mapping[str, PhantomImage]
    seed: int
    size: int

    def __call__(self, key: str) -> NDArray[np.uint8]:
        """Draw the image of `key`, uint8 ``[size, size]``."""
        if key not in self.images:
            raise DataError(f"the phantom has no image {key!r}: keys look like {next(iter(self.images))!r}")
        return draw_image(self.images[key], self.seed, self.size)


def draw_image(image: PhantomImage, seed: int, size: int) -> NDArray[np.uint8]:
    """Draw an image, uint8 ``[size, size]``, black where nothing attenuates."""
    numbers = image.patient, image.number
    attenuation = draw_attenuation(image, seed, max(size // 2, min(size, COARSEST)))
    return render(attenuation, size, sample_exposure(stream(seed, "exposure", *numbers)), stream(seed, "grain", *numbers))


def draw_attenuation(image: PhantomImage, seed: int, size: int) -> Pixels:
    """Draw the attenuation of the patient's chest in the position of this image, float32 ``[size, size]``."""
    body = place(size, sample_position(stream(seed, "position", image.patient, image.number)))
    anatomy = sample_anatomy(stream(seed, "anatomy", image.patient))
    lungs = outline_lungs(body, anatomy)
    chest = draw_chest(body, anatomy, lungs) + draw_bones(body, anatomy)
    chest += lungs.both * draw_vessels(body, anatomy, stream(seed, "vessels", image.patient))
    if image.label:
        opacity = sample_opacity(stream(seed, "opacity", image.patient))
        chest += draw_opacity(body, lungs, opacity, stream(seed, "change", image.patient, image.number))
    return chest
