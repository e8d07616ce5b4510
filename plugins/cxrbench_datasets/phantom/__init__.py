"""SYNTHETIC chest films: drawn by a program from random numbers, no patient's, and no measure of any real diagnosis.

Frontal films of adults with and without pneumonia, for trying out and testing the harness where no real data are at hand.
Patients with pneumonia differ from the others by the opacity in their lungs and by nothing else.
"""

from __future__ import annotations

from cxrbench.plugin import ConfigError, Images, Record
from cxrbench_datasets.phantom.drawing import Reader
from cxrbench_datasets.phantom.patients import films


def load(source: str | None = None, *, images: int = 600, seed: int = 0, size: int = 224) -> Images:
    """Make the phantom: three films with pneumonia for every normal one, one to three films of a patient.

    Args:
        source: must be None: the films are drawn, not read.
        images: how many films, from 60; 450 of 600 show pneumonia.
        seed: another number gives other patients.
        size: pixels along a side, 32 to 1024.

    Raises:
        ConfigError: if a source is given or an option is out of its range.
    """
    if source is not None:
        raise ConfigError(f"the phantom is drawn and has no source, but got {source!r}: leave the path out")
    _check("images", images, 60, 100_000)
    _check("seed", seed, 0, 2**32 - 1)
    _check("size", size, 32, 1024)
    all_films = films(images, seed)
    return Images(
        name="phantom-synthetic",
        records=tuple(Record(key=film.key, label=film.label, patient=film.patient_name) for film in all_films),
        read=Reader(films={film.key: film for film in all_films}, seed=seed, size=size),
    )


def _check(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"phantom:{name}={value} cannot be meant: {name} is a whole number from {low} to {high}")
