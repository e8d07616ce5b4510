from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, ndtr, ndtri
from scipy.stats import binomtest, t

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.intervals import (
    EffectivePatients,
    effective_patients,
    interval,
    variance_over_folds,
    wilson,
)
from cxrbench.evaluation.metrics import SORTABLE, metrics

PATIENTS = EffectivePatients(all=100, positive=70, negative=30)
SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_matches_newcombes_table_1(successes, n, low, high):
    """Newcombe, Statistics in Medicine 1998, method 3."""
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 2000), SHARES, st.floats(0.5, 0.999))
def test_wilson_matches_scipy(n, share, confidence):
    successes = round(share * n)
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert wilson(successes, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_without_observations_is_0_to_1():
    assert wilson(0, 0) == (0, 1)


def test_the_variance_of_one_split_is_that_of_the_bootstrap():
    assert variance_over_folds(np.array(0.0003), np.array([0.9])) == 0.0003


def test_the_larger_variance_counts_times_one_plus_the_overlap():
    """Five folds with a variance of 0.00025, so 0.00005 of their mean; each head learns from four times its test images."""
    folds = np.array([0.90, 0.91, 0.92, 0.93, 0.94])
    assert variance_over_folds(np.array([0.0, 0.00002, 0.0003]), folds) == pytest.approx([0.0000625, 0.0000625, 0.000375])


def test_each_fold_takes_a_degree_of_freedom():
    """Mean 0.92, 100 effective patients, bootstrap variance 0.0004 x 100 / 95 = 0.00042105 > 0.00005, times 5 / 4."""
    folds = [0.90, 0.91, 0.92, 0.93, 0.94]
    draws = 0.92 + 0.02 * np.array([-1, 1] * 500) * np.sqrt(999 / 1000)
    half = t(df=95).ppf(0.975) * np.sqrt(0.0004 * 100 / 95 * 5 / 4) / (0.92 * 0.08)
    odds = 0.92 / 0.08 * np.exp([-half, half])
    assert interval("accuracy", folds, draws, PATIENTS) == pytest.approx(odds / (1 + odds))


@given(
    st.sampled_from(SORTABLE),
    st.lists(SHARES, min_size=1, max_size=10),
    st.lists(SHARES, min_size=2, max_size=20),
    st.floats(1, 50),
    st.floats(1, 50),
)
def test_an_interval_lies_in_0_to_1_and_contains_its_mean(name, folds, values, positive, negative):
    patients = EffectivePatients(all=positive + negative, positive=positive, negative=negative)
    low, high = interval(name, folds, np.array(values), patients)
    assert 0 <= low <= sum(folds) / len(folds) <= high <= 1
    assert type(low) is float
    assert type(high) is float


@pytest.mark.parametrize(("name", "k"), [("auc", 30), ("recall@0.7", 70), ("specificity", 30), ("accuracy", 100), ("ece", 100)])
def test_an_interval_is_a_t_interval_of_the_log_odds(name, k):
    values = 0.9 + 0.03 * np.random.default_rng(0).normal(size=500)
    half = t(df=k - 1).ppf(0.975) * values.std(ddof=1) * np.sqrt(k / (k - 1)) / (0.9 * 0.1)
    odds = 0.9 / 0.1 * np.exp([-half, half])
    assert interval(name, [0.9], values, PATIENTS) == pytest.approx(odds / (1 + odds))


def test_a_perfect_score_has_a_lower_bound_below_1():
    for name in SORTABLE:
        low, high = interval(name, [1.0], np.ones(100), PATIENTS)
        assert high == 1
        assert 0.88 < low < 0.97
    assert interval("accuracy", [1.0], np.ones(9), PATIENTS) == wilson(100, 100)
    assert (
        interval("specificity", [1.0], np.ones(9), PATIENTS) == interval("auc", [1.0], np.ones(9), PATIENTS) == wilson(30, 30)
    )
    assert interval("recall@0.7", [0.0], np.zeros(9), PATIENTS) == wilson(0, 70)


def test_one_patient_a_fold_gives_the_interval_0_to_1():
    assert interval("auc", [0.5], np.full(10, 0.5), EffectivePatients(all=2, positive=1, negative=1)) == (0, 1)
    assert interval("auc", [0.5] * 3, np.full(10, 0.5), EffectivePatients(all=9, positive=6, negative=3)) == (0, 1)


def test_images_of_one_patient_count_less(make_predictions):
    even = effective_patients(
        [make_predictions([1, 1, 1, 1, 0, 0], [0.5] * 6, [1, 1, 2, 2, 3, 3]), make_predictions([0, 1], [0.5] * 2, fold=1)]
    )
    assert (even.all, even.positive, even.negative) == (3 + 2, 2 + 1, 1 + 1)
    uneven = effective_patients([make_predictions([1, 1, 1, 1, 0], [0.5] * 5, [1, 1, 1, 2, 3])])
    assert uneven.positive == pytest.approx(16 / 10)
    assert effective_patients([make_predictions([0, 1], [0.5, 0.6], seed=seed) for seed in range(3)]).all == 2


def test_more_correlated_images_make_wider_intervals(make_predictions):
    generator = np.random.default_rng(0)
    labels = np.repeat(generator.integers(2, size=60), 4)
    scores = expit(labels + np.repeat(generator.normal(size=60), 4))
    widths = []
    for patients in (range(240), np.arange(240) // 4):
        predictions = [make_predictions(labels, scores, patients)]
        values = bootstrap_values(predictions, draw_patients(predictions, 0), prevalence=0.1, names=["auc"])["auc"]
        low, high = interval("auc", [metrics(labels, scores, 0.5)["auc"]], values, effective_patients(predictions))
        widths.append(high - low)
    assert widths[1] > 1.7 * widths[0]


@pytest.mark.parametrize(("area", "least"), [(0.9, 0.9), (0.98, 0.9), (0.995, 0.85)])
def test_intervals_contain_the_truth(make_predictions, area, least):
    """A short and lenient version of benchmarks/coverage.py: 150 data sets of 624 images, 1-15 a patient."""
    generator = np.random.default_rng(2)
    distance = np.sqrt(2) * ndtri(area)
    truth = {"auc": area, "accuracy": ndtr(distance / 2)}
    hits = {name: [] for name in truth}
    for seed in range(150):
        patient = np.repeat(np.arange(78), generator.integers(1, 16, size=78))[:624]
        positive = np.append([0, 1], generator.random(76) < 0.75).astype(int)[patient]
        noise = generator.normal(size=78)[patient] + generator.normal(size=len(patient))
        predictions = [make_predictions(positive, ndtr(distance * (positive - 0.5) + noise / np.sqrt(2)), patient)]
        values = bootstrap_values(predictions, draw_patients(predictions, seed, draws=500), prevalence=0.1, names=list(truth))
        points, patients = metrics(predictions[0].labels, predictions[0].scores, 0.5), effective_patients(predictions)
        for name, expected in truth.items():
            low, high = interval(name, [points[name]], values[name], patients)
            hits[name].append(low <= expected <= high)
    assert {name: np.mean(hit) for name, hit in hits.items() if not least <= np.mean(hit) <= 0.995} == {}
