"""Public collections of chest X-rays that share images with one another."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cxrbench.plugin.contracts import Images

ORIGINS: Mapping[str, frozenset[str]] = {
    "rsna": frozenset({"nih"}),
    "covidx": frozenset({"nih", "ricord", "covid-chestxray"}),
    "covid-radiography": frozenset({"nih", "kermany", "padchest"}),
    "tbx11k": frozenset({"shenzhen", "montgomery", "tbx11k"}),
}
"""Which collections the images of a collection were first published in; those of any other in itself alone.

RSNA's challenge of 2018 took its images from ChestX-ray14; COVIDx 9A takes most of its negative ones from RSNA's; the COVID-19
Radiography Database takes all of RSNA's normal images and opacities, the normal and viral images of Kermany et al., and images
of PadChest's COVID-19 series; TBX11K contains the Shenzhen and Montgomery sets.
"""


def collections_of(images: Images) -> tuple[str, ...]:
    """Return the public collections that images are from: the one that the dataset declares, and the sources of its records."""
    named = {images.collection, *(record.source or "" for record in images.records)}
    return tuple(sorted(name.casefold() for name in named if name))


def sharing(some: Iterable[str], others: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of collections, one of each side, that may have images in common."""
    yield from ((one, other) for one, other in product(some, others) if _origins(one) & _origins(other))


def _origins(collection: str) -> frozenset[str]:
    return ORIGINS.get(collection.casefold(), frozenset({collection.casefold()}))
