"""Draw the sample from the training images of Kermany et al.: `python -m cxrbench_datasets.sample.draw FOLDER ARCHIVE`.

The same folder gives the same archive, byte for byte.
"""

from __future__ import annotations

import sys
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench_datasets.kermany import find_patient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEED = 2018
COUNTS: Mapping[str, Mapping[str, int]] = {
    "NORMAL": {"train": 104, "val": 56, "test": 104},
    "PNEUMONIA": {"train": 296, "val": 154, "test": 286},
}
"""Images of each class in each part: the shares of the classes are those of the source."""
MOST_IMAGES_OF_A_PATIENT = 4
"""Patients with more images are left out: the parts would hold few patients."""
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """All images of one patient and class.

    Attributes:
        number: equal numbers of different kinds of names are kept together, in case they are one child.
        files: in alphabetical order.
    """

    number: str
    files: tuple[Path, ...]


def draw(folder: Path, archive: Path) -> None:
    """Write a sample of the images in ``FOLDER/train/{NORMAL,PNEUMONIA}``: patients whole, each in one part."""
    drawn = {
        f"{part}/{name}/{file.name}": file
        for name, counts in COUNTS.items()
        for part, files in _parts(_patients(folder / "train" / name), counts).items()
        for file in files
    }
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as sample:
        for name in sorted(drawn):
            sample.writestr(zipfile.ZipInfo(name, EPOCH), drawn[name].read_bytes())


def _patients(folder: Path) -> list[Patient]:
    files: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.glob("*.jpeg")):
        if number := find_patient(file.name, merged=True):
            files[number].append(file)
    return [Patient(number=number, files=tuple(found)) for number, found in sorted(files.items())]


def _parts(patients: Sequence[Patient], counts: Mapping[str, int]) -> dict[str, list[Path]]:
    """Deal patients in random order to the parts until each has its number of images."""
    eligible = [patient for patient in patients if len(patient.files) <= MOST_IMAGES_OF_A_PATIENT and not _has_copies(patient)]
    parts: dict[str, list[Path]] = {part: [] for part in counts}
    for patient in sorted(eligible, key=lambda patient: sha256(f"{SEED} {patient.number}".encode()).digest()):
        missing = {part: count - len(parts[part]) for part, count in counts.items()}
        emptiest = max(missing, key=lambda part: missing[part] / counts[part])
        if len(patient.files) <= missing[emptiest]:
            parts[emptiest] += patient.files
    return parts


def _has_copies(patient: Patient) -> bool:
    return len({file.read_bytes() for file in patient.files}) < len(patient.files)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
