"""List the patients, their images and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count as count_from
from itertools import islice
from typing import TYPE_CHECKING, Literal

from cxrbench_datasets.phantom.streams import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGES_PER_PATIENT = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomImage:
    """One image of one patient, both numbered from 1."""

    patient: int
    number: int
    label: Literal[0, 1]

    @property
    def patient_name(self) -> str:
        """The patient id."""
        return f"patient-{self.patient:04d}"

    @property
    def key(self) -> str:
        """The key of the image."""
        return f"{self.patient_name}/film-{self.number}"


def list_images(images: int, seed: int) -> tuple[PhantomImage, ...]:
    """List the first `images` images; a longer list begins with the shorter one."""
    return tuple(islice(_all_images(seed), images))


def _all_images(seed: int) -> Iterator[PhantomImage]:
    patient = 0
    for block in count_from():
        for count, label in _block(seed, block):
            patient += 1
            for number in range(1, count + 1):
                yield PhantomImage(patient=patient, number=number, label=label)


def _block(seed: int, block: int) -> list[tuple[int, Literal[0, 1]]]:
    """Shuffle twelve patients: one negative and three positive for every image count, so that the count predicts nothing."""
    labels: list[Literal[0, 1]] = [0, 1, 1, 1]
    patients = [(count, label) for count in IMAGES_PER_PATIENT for label in labels]
    order = stream(seed, "patients", block).permutation(len(patients))
    return [patients[index] for index in order]
