"""SYNTHETIC chest X-rays, drawn from random numbers: no real patients, no clinical meaning.

Frontal images of adults with and without pneumonia, to try and test the harness without real data. Patients with pneumonia
differ from the others only by the opacity in their lungs.
"""

from __future__ import annotations

from cxrbench.plugin import ClassNames, ConfigError, Images, Record
from cxrbench_datasets.phantom.drawing import Reader
from cxrbench_datasets.phantom.patients import list_images


def load(source: str | None = None, *, images: int = 600, seed: int = 0, size: int = 224) -> Images:
    """Make the phantom dataset: three positive images per negative one, one to three images per patient.

    Args:
        source: must be None: the images are drawn, not read.
        images: number of images, at least 60; 450 of 600 show pneumonia.
        seed: of the patients.
        size: height and width in pixels, 32 to 1024.

    Raises:
        ConfigError: if a source is given or an option is out of its range.
    """
    if source is not None:
        raise ConfigError(f"the phantom is drawn and takes no source, got {source!r}: remove the path")
    _check_range("images", images, 60, 1_000_000)
    _check_range("seed", seed, 0, 2**32 - 1)
    _check_range("size", size, 32, 1024)
    drawn = {image.key: image for image in list_images(images, seed)}
    return Images(
        name="phantom-synthetic",
        records=tuple(Record(key=key, label=image.label, patient=image.patient_name) for key, image in drawn.items()),
        read=Reader(images=drawn, seed=seed, size=size),
        class_names=ClassNames(negative="NORMAL", positive="PNEUMONIA"),
        licence_class="open",
    )


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"phantom:{name}={value}: {name} must be an integer from {low} to {high}")
