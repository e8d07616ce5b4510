"""One number is fitted to the logits of scores, and changes neither their order nor what is at or above a threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from cxrbench.evaluation.calibration import HIGHEST, LARGEST_LOGIT, LOWEST, at_temperature, fit_temperature
from cxrbench.evaluation.metrics import auc

TEMPERATURES = st.floats(LOWEST, HIGHEST)
LOGITS = st.lists(st.integers(-12_000_000, 12_000_000).map(lambda millionths: millionths / 1e6), min_size=1, max_size=30)


def cross_entropy(labels, scores):
    return -np.mean(np.log(np.where(labels == 1, scores, 1 - scores)))


@given(st.lists(st.floats(0, 1)))
def test_a_temperature_of_1_changes_nothing(scores):
    np.testing.assert_array_equal(at_temperature(np.array(scores), 1.0), scores)


@given(LOGITS, TEMPERATURES, st.integers(0, 29))
def test_no_decision_moves(logits, temperature, chosen):
    lowest = max(np.abs(logits)) / LARGEST_LOGIT
    temperature = max(temperature, min(lowest, 1.0))  # as it is fitted
    scores = expit(np.array(logits, dtype=np.float64))
    calibrated = at_temperature(scores, temperature)
    for threshold in (scores[chosen % len(scores)], 0.5):
        moved = float(at_temperature(np.array(threshold), temperature))
        np.testing.assert_array_equal(calibrated >= moved, scores >= threshold)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30).map(sorted), TEMPERATURES)
def test_order_ties_and_certain_scores_stay(scores, temperature):
    calibrated = at_temperature(np.array([0.0, *scores, *scores[-1:], 1.0]), temperature)
    assert np.all(np.diff(calibrated) >= 0)
    assert calibrated[-2] == calibrated[-3]
    assert (calibrated[0], calibrated[-1]) == (0, 1)


@given(st.floats(0.25, 8), st.integers(0, 2**31))
def test_a_known_temperature_is_found(temperature, seed):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, size=20_000)
    labels = (generator.random(len(logits)) < expit(logits)).astype(np.int64)
    assert fit_temperature(labels, expit(logits * temperature)) == pytest.approx(temperature, rel=0.12)


@given(st.data())
def test_the_fit_is_never_worse_and_keeps_the_auc(data):
    logits = np.array(data.draw(LOGITS.filter(lambda drawn: len(drawn) > 1)), dtype=np.float64)
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(logits), max_size=len(logits))))
    labels[:2] = 0, 1
    scores = expit(logits)
    calibrated = at_temperature(scores, fit_temperature(labels, scores))
    assert cross_entropy(labels, calibrated) <= cross_entropy(labels, scores) + 1e-12
    assert auc(labels, calibrated) == auc(labels, scores)


def test_separated_classes_end_at_a_bound():
    labels, scores = np.array([0, 0, 1, 1]), expit(np.array([-0.2, -0.1, 0.1, 0.2]))
    assert fit_temperature(labels, scores) == pytest.approx(LOWEST, rel=1e-3)
    assert fit_temperature(1 - labels, scores) == pytest.approx(HIGHEST, rel=1e-3)
    surer = expit(logit(scores) * 40)
    assert logit(at_temperature(surer, fit_temperature(labels, surer)).max()) == pytest.approx(LARGEST_LOGIT, rel=1e-3)


@pytest.mark.parametrize("scores", [[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]])
def test_scores_without_a_best_temperature_stay(scores):
    assert fit_temperature(np.array([0, 1]), np.array(scores)) == 1
