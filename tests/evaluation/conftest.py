"""Simulated predictions for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from cxrbench.evaluation.predictions import Predictions


def make_predictions(labels, scores, patients=None, *, threshold=0.5, fold=0, seed=0):
    """Return the predictions of one head; without `patients`, each image has its own patient."""
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


def simulated(seed, *, distance=3.0, images=200, images_each=3, folds=1, seeds=1, images_seed=0, threshold=0.0):
    """Return predictions with normally distributed scores; `images_seed` draws the images, `seed` the classifier."""
    image_generator, generator = np.random.default_rng(images_seed), np.random.default_rng(1000 + seed)
    patients = np.arange(images) // images_each
    positive = (image_generator.random(patients.max() + 1) < 0.7).astype(int)
    positive[: 4 * folds] = np.arange(4 * folds) // folds % 2
    shared = image_generator.normal(size=patients.max() + 1)[patients] * 0.7
    heads = []
    for repeat in range(seeds):
        scores = distance * (positive[patients] - 0.5) + shared + 0.7 * generator.normal(size=images)
        scores = 1 / (1 + np.exp(-scores))
        for fold in range(folds):
            in_fold = patients % folds == fold
            heads.append(
                make_predictions(
                    positive[patients][in_fold],
                    scores[in_fold],
                    patients[in_fold],
                    threshold=1 / (1 + np.exp(-threshold)),
                    fold=fold,
                    seed=repeat,
                )
            )
    return heads


@st.composite
def small_test_sets(draw, max_folds=2, max_seeds=2):
    """Draw predictions of a small test set with ties, patients of several images and patients of both classes."""
    score = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]), st.floats(0, 1))
    heads = []
    for fold in range(draw(st.integers(1, max_folds))):
        labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=12).filter(lambda drawn: 0 < sum(drawn) < len(drawn)))
        size = len(labels)
        patients = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
        for seed in range(draw(st.integers(1, max_seeds))):
            scores = draw(st.lists(score, min_size=size, max_size=size))
            heads.append(make_predictions(labels, scores, patients, threshold=draw(score), fold=fold, seed=seed))
    return heads


@pytest.fixture(scope="session", name="make_predictions")
def make_predictions_fixture():
    return make_predictions


@pytest.fixture(scope="session", name="simulated")
def simulated_fixture():
    return simulated


@pytest.fixture(scope="session")
def any_predictions():
    """Return the strategy that draws predictions of small test sets."""
    return small_test_sets()
