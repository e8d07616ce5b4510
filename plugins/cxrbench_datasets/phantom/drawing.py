"""From the key of a film to its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.plugin import DataError
from cxrbench_datasets.phantom.anatomy import sample_anatomy
from cxrbench_datasets.phantom.bones import draw_bones
from cxrbench_datasets.phantom.chest import draw_chest, outline_lungs
from cxrbench_datasets.phantom.exposure import develop, sample_exposure, sample_position
from cxrbench_datasets.phantom.opacities import draw_opacity, sample_opacity
from cxrbench_datasets.phantom.shapes import Pixels, place
from cxrbench_datasets.phantom.streams import stream
from cxrbench_datasets.phantom.vessels import draw_vessels

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench_datasets.phantom.patients import Film


COARSEST = 112
"""Ribs and vessels need this many pixels; beyond, half the film's size is enough, since films are a little blurred anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Draws the film of a key.

    Attributes:
        films: all films by their keys.
        seed: of the whole phantom.
        size: pixels along a side.
    """

    films: Mapping[str, Film]
    seed: int
    size: int

    def __call__(self, key: str) -> NDArray[np.uint8]:
        """Draw the film of `key`, uint8 ``[size, size]``."""
        if key not in self.films:
            raise DataError(f"the phantom has no film {key!r}: keys look like {next(iter(self.films))!r}")
        return draw_film(self.films[key], self.seed, self.size)


def draw_film(film: Film, seed: int, size: int) -> NDArray[np.uint8]:
    """Draw a film, uint8 ``[size, size]``, black where nothing attenuates."""
    one = film.patient, film.number
    attenuation = draw_attenuation(film, seed, max(size // 2, min(size, COARSEST)))
    return develop(attenuation, size, sample_exposure(stream(seed, "exposure", *one)), stream(seed, "grain", *one))


def draw_attenuation(film: Film, seed: int, size: int) -> Pixels:
    """Draw what the rays meet: the patient's chest as it stands before this film, float32 ``[size, size]``."""
    body = place(size, sample_position(stream(seed, "position", film.patient, film.number)))
    anatomy = sample_anatomy(stream(seed, "anatomy", film.patient))
    lungs = outline_lungs(body, anatomy)
    chest = draw_chest(body, anatomy, lungs) + draw_bones(body, anatomy)
    chest += lungs.both * draw_vessels(body, anatomy, stream(seed, "vessels", film.patient))
    if film.label:
        opacity = sample_opacity(stream(seed, "opacity", film.patient))
        chest += draw_opacity(body, lungs, opacity, stream(seed, "change", film.patient, film.number))
    return chest
