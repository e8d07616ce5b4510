"""The page of test images with saliency maps: one HTML file that holds all of its images."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.leaderboard.report.boards_page import PAGE
from cxrbench.leaderboard.report.environment import render
from cxrbench.models.saliency.overlay import SIDE, coloured, enlarged

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from cxrbench.leaderboard.store.entry import ClassLabels
    from cxrbench.plugin.contracts import LicenceClass

QUALITY = 85
"""Of the JPEG files: an image of 224 pixels takes about ten kilobytes."""
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShownImage:
    """One image of the page.

    Attributes:
        name: its key; empty where keys are not shown.
        label, call: names of the true and of the called class.
        fold: whose heads scored it.
        pixels: uint8 ``[s, s]``.
        values: its map, float64 ``[h, w]`` in logits.
        outer_frame: share of the absolute map in the outer frame.
    """

    name: str
    label: str
    call: str
    fold: int
    score: float
    threshold: float
    pixels: NDArray[np.uint8]
    values: NDArray[np.float64]
    outer_frame: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageGroup:
    """The images of one outcome.

    Attributes:
        outcome: such as ``true positive``.
        total: test images with this outcome, shown or not.
        images: the surest first.
    """

    outcome: str
    total: int
    images: tuple[ShownImage, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gallery:
    """What the page shows.

    Attributes:
        board: name of the protocol's folder.
        dataset, notice: of the protocol.
        recipe: of the row.
        selections: hashes of the frozen heads.
        class_names: of the dataset.
        licence_class: of the images.
        limit: of the map, the value of the full colour, in logits.
        about_maps: sentences on how the maps were made.
        trust: sentences on how far to trust them.
        warnings: about the model on this machine.
        groups: the images by outcome.
    """

    board: str
    dataset: str
    notice: str
    recipe: str
    selections: tuple[str, ...]
    class_names: ClassLabels
    licence_class: LicenceClass
    limit: float
    about_maps: tuple[str, ...]
    trust: tuple[str, ...]
    warnings: tuple[str, ...]
    groups: tuple[ImageGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """An image as the template shows it.

    Attributes:
        title: such as ``True positive 1``.
        plain, overlay: as data URIs.
        place: where the map is strongest, in words.
    """

    title: str
    image: ShownImage
    plain: str
    overlay: str
    place: str


def images_as_html(gallery: Gallery) -> str:
    """Return the page. Equal galleries give equal pages."""
    figures = {
        group.outcome: tuple(
            _figure(group.outcome, number, image, gallery) for number, image in enumerate(group.images, start=1)
        )
        for group in gallery.groups
    }
    return render("images.html.j2", with_images=True, gallery=gallery, figures=figures, board_page=PAGE)


def _figure(outcome: str, number: int, image: ShownImage, gallery: Gallery) -> Figure:
    side = min(len(image.pixels), SIDE)
    return Figure(
        title=f"{outcome.capitalize()} {number}",
        image=image,
        plain=_data_uri(enlarged(image.pixels, side)),
        overlay=_data_uri(coloured(image.pixels, image.values, gallery.limit, side)),
        place=strongest_place(image.values, gallery.class_names),
    )


def strongest_place(values: NDArray[np.float64], class_names: ClassLabels) -> str:
    """Return where a map ``[h, w]`` is strongest, in thirds of the image, and for which class it speaks there."""
    row, column = np.unravel_index(int(np.abs(values).argmax()), values.shape)
    strongest = float(values[row, column])
    if strongest == 0:
        return "no place speaks for either class"
    third = f"{ROWS[int(3 * (row + 0.5) / values.shape[0])]} {COLUMNS[int(3 * (column + 0.5) / values.shape[1])]}"
    named = class_names.positive if strongest > 0 else class_names.negative
    return f"the strongest place, {third} of the image, speaks for {named}"


def _data_uri(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
