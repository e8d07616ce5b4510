"""Made-up scored test sets for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from cxrbench.evaluation.predictions import Predictions


def unit(labels, scores, patients=None, *, threshold=0.5, fold=0, seed=0):
    """Return a unit; without patients, each image has its own."""
    names = [f"p{number}" for number in (range(len(labels)) if patients is None else patients)]
    return Predictions(
        subset="test",
        keys=np.array(names),
        fold=fold,
        seed=seed,
        labels=np.array(labels, dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
        patients=np.array(names),
        threshold=threshold,
    )


def simulated(seed, *, distance=3.0, films=200, films_each=3, folds=1, seeds=1, images=0, threshold=0.0):
    """Return units with normal scores; `images` is the seed of the images, `seed` that of the classifier."""
    where, generator = np.random.default_rng(images), np.random.default_rng(1000 + seed)
    patients = np.arange(films) // films_each
    sick = (where.random(patients.max() + 1) < 0.7).astype(int)
    sick[: 4 * folds] = np.arange(4 * folds) // folds % 2
    shared = where.normal(size=patients.max() + 1)[patients] * 0.7
    found = []
    for repeat in range(seeds):
        scores = distance * (sick[patients] - 0.5) + shared + 0.7 * generator.normal(size=films)
        scores = 1 / (1 + np.exp(-scores))
        for fold in range(folds):
            own = patients % folds == fold
            found.append(
                unit(
                    sick[patients][own],
                    scores[own],
                    patients[own],
                    threshold=1 / (1 + np.exp(-threshold)),
                    fold=fold,
                    seed=repeat,
                )
            )
    return found


@st.composite
def units(draw, max_folds=2, max_seeds=2):
    """Draw a small scored test set, with ties, with several films of some patients, some patients with both labels."""
    score = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]), st.floats(0, 1))
    found = []
    for fold in range(draw(st.integers(1, max_folds))):
        labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=12).filter(lambda drawn: 0 < sum(drawn) < len(drawn)))
        size = len(labels)
        patients = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
        for seed in range(draw(st.integers(1, max_seeds))):
            scores = draw(st.lists(score, min_size=size, max_size=size))
            found.append(unit(labels, scores, patients, threshold=draw(score), fold=fold, seed=seed))
    return found


@pytest.fixture(scope="session", name="unit")
def unit_fixture():
    return unit


@pytest.fixture(scope="session", name="simulated")
def simulated_fixture():
    return simulated


@pytest.fixture(scope="session")
def any_units():
    """Return the strategy that draws small scored test sets."""
    return units()
