"""First-party shifts: what differs between hospitals in how a chest X-ray is taken, processed, shown and stored.

The strengths were set from the cited ranges before any model was scored. An image of 224 pixels stands for about 430 mm, so
that one pixel is 1.9 mm; widths in pixels grow with the size of the images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import Shift, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

MOVING = ("gentle", "paper", "strong")
"""The augmentations that rotate, move and zoom."""


@hookimpl
def register_shifts() -> Iterable[Shift]:
    """Declare every shift of this package."""
    return (*_test_shifts(), *_development_shifts())


def _test_shifts() -> Iterable[Shift]:
    display, exposure, geometry = (f"cxrbench_shifts.{module}" for module in ("display", "exposure", "geometry"))
    return (
        Shift(
            name="exposure",
            factory=f"{exposure}:exposure",
            summary="more or less exposure than the display expects, drawn for each image",
            unit="stops",
            strengths=(1 / 3, 2 / 3, 1.0),
            covered_by=("gentle", "strong"),
        ),
        Shift(
            name="blur",
            factory=f"{exposure}:blur",
            summary="unsharpness of motion and focal spot",
            unit="sigma in pixels at 224",
            strengths=(0.6, 0.8, 1.0),
        ),
        Shift(
            name="gamma",
            factory=f"{display}:gamma",
            summary="another display curve, drawn for each image",
            unit="exponent less 1",
            strengths=(0.1, 0.2, 0.3),
            covered_by=("strong",),
        ),
        Shift(
            name="local-contrast",
            factory=f"{display}:local_contrast",
            summary="local contrast enhancement (CLAHE)",
            unit="percent of CLAHE",
            strengths=(20.0, 40.0, 60.0),
        ),
        Shift(
            name="compression",
            factory=f"{display}:compression",
            summary="lossy compression (JPEG)",
            unit="100 less the quality",
            strengths=(30.0, 40.0, 50.0),
        ),
        Shift(
            name="border",
            factory=f"{geometry}:border",
            summary="black edges of a narrow collimation",
            unit="percent of the side",
            strengths=(2.0, 4.0, 6.0),
        ),
        Shift(
            name="rotation",
            factory=f"{geometry}:rotation",
            summary="a patient or plate at an angle, drawn for each image",
            unit="degrees",
            strengths=(2.0, 3.5, 5.0),
            covered_by=MOVING,
        ),
    )


def _development_shifts() -> Iterable[Shift]:
    display, exposure, geometry = (f"cxrbench_shifts.{module}" for module in ("display", "exposure", "geometry"))
    return (
        Shift(
            name="noise",
            factory=f"{exposure}:noise",
            summary="quantum noise of a low dose",
            unit="percent of the range at mid-grey",
            strengths=(0.25, 0.5, 1.0),
            role="development",
            covered_by=("strong",),
        ),
        Shift(
            name="resolution",
            factory=f"{exposure}:resolution",
            summary="stored at a lower resolution",
            unit="factor less 1",
            strengths=(0.25, 0.6, 1.0),
            role="development",
        ),
        Shift(
            name="window",
            factory=f"{display}:window",
            summary="a narrower display window",
            unit="percent of its width",
            strengths=(7.0, 14.0, 20.0),
            role="development",
            covered_by=("strong",),
        ),
        Shift(
            name="sharpening",
            factory=f"{display}:sharpening",
            summary="edge enhancement (unsharp masking)",
            unit="amount",
            strengths=(0.35, 0.65, 1.0),
            role="development",
        ),
        Shift(
            name="marker",
            factory=f"{display}:marker",
            summary="a burnt-in side marker in the emptier upper corner",
            unit="height in percent of the side",
            strengths=(4.0, 6.0, 8.0),
            role="development",
        ),
        Shift(
            name="crop",
            factory=f"{geometry}:crop",
            summary="a tighter field of view",
            unit="percent of each edge",
            strengths=(2.0, 4.0, 6.0),
            role="development",
            covered_by=MOVING,
        ),
        Shift(
            name="position",
            factory=f"{geometry}:position",
            summary="a patient off the centre, drawn for each image",
            unit="percent of the side",
            strengths=(2.0, 4.0, 6.0),
            role="development",
            covered_by=MOVING,
        ),
    )
