"""Who has which films, and who has pneumonia."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Literal

from cxrbench_datasets.phantom.streams import stream

if TYPE_CHECKING:
    from collections.abc import Iterator

FILM_COUNTS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One film of one patient, both counted from 1."""

    patient: int
    number: int
    label: Literal[0, 1]

    @property
    def patient_name(self) -> str:
        """Name the patient."""
        return f"patient-{self.patient:04d}"

    @property
    def key(self) -> str:
        """Name the film."""
        return f"{self.patient_name}/film-{self.number}"


def films(images: int, seed: int) -> tuple[Film, ...]:
    """List the first `images` films; a longer list begins with the shorter one."""
    return tuple(islice(_endless(seed), images))


def _endless(seed: int) -> Iterator[Film]:
    patient = 0
    for block in count():
        for film_count, label in _block(seed, block):
            patient += 1
            for number in range(1, film_count + 1):
                yield Film(patient=patient, number=number, label=label)


def _block(seed: int, block: int) -> list[tuple[int, Literal[0, 1]]]:
    """Shuffle twelve patients: for every film count one normal and three with pneumonia, so that the count says nothing."""
    labels: list[Literal[0, 1]] = [0, 1, 1, 1]
    patients = [(film_count, label) for film_count in FILM_COUNTS for label in labels]
    order = stream(seed, "patients", block).permutation(len(patients))
    return [patients[index] for index in order]
