"""Simulated patients, and recipes that really learn from them, whose true values are known in closed form.

An image is a vector of features, normally distributed within a class with unit variance. Half of the variance is shared within
a patient. 3 of 4 patients are in the positive class, whose mean differs in the first feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit, logit, ndtr

from cxrbench.evaluation.predictions import Predictions
from cxrbench.evaluation.threshold import choose_threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int64]

PREVALENCE = 0.75
PATIENT_SHARE = 0.5
AUCS = (0.90, 0.98, 0.995)
NAMES = ("accuracy", "auc")
FEATURES = 20
VALIDATION = 0.15
"""Share of the learning patients of each class that the threshold is chosen on."""
TRAINING_SETS = 1000
CALIBRATION_SETS = 40
CALIBRATION_STEPS = 10
WORST_SEPARATION, BEST_SEPARATION = 1.0, 8.0


@dataclass(frozen=True, slots=True)
class Patients:
    """The patient and the label of each image."""

    patient: Integers
    labels: Integers

    @property
    def names(self) -> NDArray[np.str_]:
        """The name of each image's patient."""
        return np.array([f"{number:04d}" for number in self.patient])


@dataclass(frozen=True, slots=True)
class Head:
    """A linear head and its threshold."""

    weights: Floats
    intercept: float
    threshold: float

    def true_values(self, separation: float) -> tuple[float, float]:
        """Return the expected accuracy and AUC on new images."""
        length = float(np.linalg.norm(self.weights))
        distance = float(self.weights[0]) * separation / length
        cut = (logit(self.threshold) - self.intercept) / length
        accuracy = PREVALENCE * ndtr(distance / 2 - cut) + (1 - PREVALENCE) * ndtr(distance / 2 + cut)
        return float(accuracy), float(ndtr(distance / np.sqrt(2)))


def draw_patients_and_labels(generator: np.random.Generator, images: int, few: bool) -> Patients:
    """Draw patients with `few` images each (2.5 on average) or 1 to 15, evenly (8 on average); both classes occur."""
    counts: list[int] = []
    missing = images
    while missing > 0:
        counts.append(min(int(generator.geometric(0.4)), 15) if few else int(generator.integers(1, 16)))
        missing -= counts[-1]
    counts[-1] += missing
    positive = (generator.random(len(counts)) < PREVALENCE).astype(np.int64)
    positive[:2] = (0, 1)
    patient = np.repeat(np.arange(len(counts)), counts)
    return Patients(patient, positive[patient])


def normal(generator: np.random.Generator, patient: Integers, *features: int) -> Floats:
    """Return standard normal numbers that are correlated within a patient."""
    shared = generator.normal(size=(patient.max() + 1, *features))[patient]
    numbers: Floats = np.sqrt(PATIENT_SHARE) * shared + np.sqrt(1 - PATIENT_SHARE) * generator.normal(size=shared.shape)
    return numbers


def divide(generator: np.random.Generator, patients: Patients, folds: int) -> Integers:
    """Return the fold of each image: whole patients, the same share of each class in every fold."""
    _people, first = np.unique(patients.patient, return_index=True)
    order = generator.permutation(len(first))
    order = order[np.argsort(patients.labels[first][order], kind="stable")]
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(first)) % folds
    return fold[patients.patient]


def learn(generator: np.random.Generator, features: Floats, patients: Patients) -> Head:
    """Return the linear discriminant of most patients, with the threshold of the best F1 on the others."""
    held_out = divide(generator, patients, round(1 / VALIDATION)) == 0
    learnt, labels = features[~held_out], patients.labels[~held_out]
    means = np.stack([learnt[labels == label].mean(axis=0) for label in (0, 1)])
    residuals = learnt - means[labels]
    covariance = (residuals.T @ residuals + np.eye(learnt.shape[1])) / (len(learnt) - 2)
    weights = np.linalg.solve(covariance, means[1] - means[0])
    intercept = float(logit(labels.mean()) - weights @ means.sum(axis=0) / 2)
    scores = expit(features[held_out] @ weights + intercept)
    return Head(weights, intercept, choose_threshold("max-f1", patients.labels[held_out], scores))


def cross_validate(
    generator: np.random.Generator, features: Floats, patients: Patients, fold: Integers
) -> Iterator[Predictions]:
    """Yield the predictions of each fold's head, which learns from the other folds."""
    names = patients.names
    for number in range(int(fold.max()) + 1):
        tested, others = fold == number, fold != number
        head = learn(generator, features[others], _of(patients, others))
        yield Predictions(
            subset="test",
            keys=names[tested],
            fold=number,
            seed=0,
            labels=patients.labels[tested],
            scores=expit(features[tested] @ head.weights + head.intercept),
            patients=names[tested],
            threshold=head.threshold,
        )


@dataclass(frozen=True, slots=True)
class Population:
    """Data sets of `images` images, divided into folds; the separation of the classes is that of the AUC asked for."""

    images: int
    few: bool
    folds: int

    def separation(self, area: float) -> float:
        """Return the distance of the classes at which heads have this AUC on average, by bisection."""
        low, high = WORST_SEPARATION, BEST_SEPARATION
        for _ in range(CALIBRATION_STEPS):
            middle = (low + high) / 2
            below = self.true_means(middle, CALIBRATION_SETS)["auc"] < area
            low, high = (middle, high) if below else (low, middle)
        return (low + high) / 2

    def true_means(self, separation: float, sets: int = TRAINING_SETS) -> dict[str, float]:
        """Return the true accuracy and AUC of a fold's head, means over training sets."""
        generator = np.random.default_rng(2)
        values = [self._head(generator, separation).true_values(separation) for _ in range(sets)]
        return dict(zip(NAMES, np.mean(values, axis=0).tolist(), strict=True))

    def _head(self, generator: np.random.Generator, separation: float) -> Head:
        patients = draw_patients_and_labels(generator, self.images, self.few)
        features = separated(normal(generator, patients.patient, FEATURES), patients, separation)
        others = divide(generator, patients, self.folds) != 0
        return learn(generator, features[others], _of(patients, others))


def separated(noise: Floats, patients: Patients, separation: float) -> Floats:
    """Return features whose classes differ by `separation` in the first one."""
    features = noise.copy()
    features[:, 0] += separation * (patients.labels - 0.5)
    return features


def _of(patients: Patients, chosen: NDArray[np.bool_]) -> Patients:
    """Return some images, with their patients renumbered from 0."""
    return Patients(np.unique(patients.patient[chosen], return_inverse=True)[1], patients.labels[chosen])
