"""What differs in processing, display and storage: curve, window, sharpening, local contrast, compression, markers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench_shifts.clahe import equalised
from cxrbench_shifts.exposure import RANGE, REFERENCE_SIZE, clipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cxrbench_shifts.exposure import Images

SHARPENING_SIGMA = 2.0
"""In pixels at 224: the structures of 5 to 10 mm that edge enhancement of chest images aims at."""
MARKER_LEVEL = 235.0
MARKER_MARGIN = 0.03
"""Of the side, between a marker and the edges."""
CORNER = 0.12
"""Of the side: what is looked at to choose the corner."""


def gamma(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return the display curve ``x ** (1 + strength)`` of grey levels in 0..1, or its inverse.

    Monitors that are not calibrated to the DICOM display function (PS3.14) have exponents of 1.8 to 2.4, a ratio of 1.33.
    """
    del input_shape
    generator = np.random.default_rng(seed)

    def show(images: Images) -> Images:
        exponents = (1 + strength) ** generator.choice([-1.0, 1.0], size=(len(images), 1, 1, 1))
        return clipped(RANGE * (images / RANGE) ** exponents)

    return show


def window(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return a window that is narrower by `strength` percent around mid-grey; what is outside is black or white."""
    del input_shape, seed
    return lambda images: clipped((images - RANGE / 2) / (1 - strength / 100) + RANGE / 2)


def sharpening(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return unsharp masking: `strength` times the difference to a blurred copy is added."""
    del seed
    from scipy.ndimage import gaussian_filter

    sigma = SHARPENING_SIGMA * input_shape[0] / REFERENCE_SIZE
    return lambda images: clipped(images + strength * (images - gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest")))


def local_contrast(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return a blend of the image and its contrast-limited adaptive histogram equalisation, `strength` percent of it.

    It stands for the multi-scale processing of makers, which differs from plant to plant (Pizer et al., CVGIP 39:355, 1987).
    """
    del input_shape, seed
    share = np.float32(strength / 100)

    def equalise(image: NDArray[np.float32]) -> NDArray[np.float32]:
        low, high = image.min(), image.max()
        if low == high:
            return image
        return (1 - share) * image + share * RANGE * equalised((image - low) / (high - low))

    return lambda images: clipped(_each(equalise, images)) if strength else images


def compression(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return images that were saved as JPEG with a quality of 100 less `strength`.

    Canada's standards allow chest images a compression of 20 to 30 times, which JPEG reaches at a quality of about 50.
    """
    del input_shape, seed
    from PIL import Image

    def save(image: NDArray[np.float32]) -> NDArray[np.float32]:
        buffer = io.BytesIO()
        Image.fromarray(np.round(image).astype(np.uint8)).save(buffer, "JPEG", quality=round(100 - strength))
        return np.asarray(Image.open(buffer), dtype=np.float32)

    return lambda images: _each(save, images) if strength else images


def marker(*, input_shape: tuple[int, int, int], strength: float, seed: int) -> Callable[[Images], Images]:
    """Return images with a bright side marker, `strength` percent of the side high, in the emptier upper corner.

    The patient's right is on the left of the image, so an R is set there and an L on the other side.
    """
    del seed
    height, width, _ = input_shape
    letters = {letter: _letter(letter, round(height * strength / 100)) for letter in "RL"}
    margin, corner = round(MARKER_MARGIN * height), round(CORNER * height)

    def place(image: NDArray[np.float32], letter: str) -> NDArray[np.float32]:
        rows, columns = letters[letter].shape
        left = margin if letter == "R" else width - margin - columns
        return image[margin : margin + rows, left : left + columns]

    def structure(image: NDArray[np.float32], letter: str) -> float:
        return float((image[:corner, :corner] if letter == "R" else image[:corner, -corner:]).std())

    def stamp(image: NDArray[np.float32]) -> NDArray[np.float32]:
        letter, marked = min("RL", key=lambda one: structure(image, one)), image.copy()
        place(marked, letter)[:] = np.maximum(place(marked, letter), letters[letter])
        return marked

    return lambda images: _each(stamp, images) if strength else images


def _letter(letter: str, height: int) -> NDArray[np.float32]:
    """Return a bold letter of so many rows, bright on black."""
    from PIL import Image, ImageDraw, ImageFont

    size = 4 * max(height, 1)
    font: Any = ImageFont.load_default(size)
    bold = {"font": font, "stroke_width": size // 16}
    left, top, right, bottom = font.getbbox(letter, stroke_width=size // 16)
    drawn = Image.new("L", (round(right - left), round(bottom - top)))
    ImageDraw.Draw(drawn).text((-left, -top), letter, fill=255, stroke_fill=255, **bold)
    scaled = drawn.resize((max(1, round(drawn.width * height / drawn.height)), max(1, height)), Image.Resampling.BILINEAR)
    return np.asarray(np.asarray(scaled) / 255 * MARKER_LEVEL, dtype=np.float32)


def _each(change: Callable[[NDArray[np.float32]], NDArray[np.float32]], images: Images) -> Images:
    """Change every image ``[H, W]`` of a batch by itself."""
    return np.stack([change(image) for image in images[..., 0]])[..., None]
