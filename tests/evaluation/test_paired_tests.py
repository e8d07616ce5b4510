from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from cxrbench.evaluation.bootstrap import bootstrap_values, draw_patients
from cxrbench.evaluation.metrics import auc, metrics
from cxrbench.evaluation.paired_tests import (
    delong,
    exchange_patients,
    holm,
    mcnemar_exact,
    one_image_per_patient,
    paired_bootstrap,
    patient_accuracy,
    permutation_accuracy,
)

SCORES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def pairs(draw):
    """Draw labels with at least two images of each class, and two classifiers' scores with ties."""
    labels = draw(st.lists(st.integers(0, 1), min_size=4, max_size=16).filter(lambda drawn: 1 < sum(drawn) < len(drawn) - 1))
    scores = [np.array(draw(st.lists(SCORES, min_size=len(labels), max_size=len(labels)))) for _ in range(2)]
    return np.array(labels), *scores


def test_holm_of_an_example():
    """The example of Wikipedia's article on the Holm-Bonferroni method; R's p.adjust gives the same."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_matches_its_definition(p_values):
    """Adjusted p of the i-th smallest: the largest of (m - j + 1) p_j over j up to i, at most 1."""
    ordered = sorted(p_values)
    factors = [(len(ordered) - place) * p for place, p in enumerate(ordered)]
    assert holm(p_values) == pytest.approx([min(1, max(factors[: ordered.index(p) + 1])) for p in p_values])


def test_mcnemar_of_an_example():
    """Agresti, Categorical Data Analysis, table 10.1 (approval of a prime minister): 150 and 86 changed their minds."""
    labels = np.ones(1600, dtype=int)
    first = np.repeat([True, True, False, False], [794, 150, 86, 570])
    second = np.repeat([True, False, True, False], [794, 150, 86, 570])
    tail = sum(math.comb(236, k) for k in range(87))
    assert mcnemar_exact(labels, first, second) == pytest.approx(2 * tail / 2**236, rel=1e-9)
    assert mcnemar_exact(labels, first, second) == pytest.approx(3.716e-05, rel=1e-3)


@given(st.lists(st.tuples(st.integers(0, 1), st.booleans(), st.booleans()), max_size=40))
def test_mcnemar_is_a_binomial_test_of_the_discordant_images(rows):
    labels, first, second = np.array(rows, dtype=int).reshape(-1, 3).T
    only_first, only_second = np.sum((first == labels) & (second != labels)), np.sum((first != labels) & (second == labels))
    discordant = int(only_first + only_second)
    expected = binomtest(int(only_first), discordant).pvalue if discordant else 1
    assert mcnemar_exact(labels, first == 1, second == 1) == pytest.approx(expected, rel=1e-9)


def delong_slowly(labels, first, second):
    """DeLong, DeLong and Clarke-Pearson 1988, equations 3 to 5, with a loop over pairs."""

    def psi(above, below):
        return 0.5 if above == below else float(above > below)

    components = []
    for scores in (first, second):
        positive, negative = scores[labels == 1], scores[labels == 0]
        table = np.array([[psi(above, below) for below in negative] for above in positive])
        components.append((table.mean(), table.mean(axis=1), table.mean(axis=0)))
    difference = components[0][0] - components[1][0]
    by_positive = np.cov(components[0][1], components[1][1]) / len(components[0][1])
    by_negative = np.cov(components[0][2], components[1][2]) / len(components[0][2])
    contrast = np.array([1, -1])
    return difference, contrast @ (by_positive + by_negative) @ contrast


@given(pairs())
def test_delong_matches_its_definition(drawn):
    difference, variance = delong_slowly(*drawn)
    found = delong(*drawn)
    assert found.difference == pytest.approx(difference, abs=1e-12)
    assert found.difference == pytest.approx(auc(drawn[0], drawn[1]) - auc(drawn[0], drawn[2]), abs=1e-12)
    assert (found.high - found.low) / (2 * 1.959964) == pytest.approx(np.sqrt(max(variance, 0)), abs=1e-7)
    if variance > 1e-9:
        assert found.p == pytest.approx(2 * norm.sf(abs(difference) / np.sqrt(variance)), rel=1e-6)


def test_delong_of_equal_scores_finds_no_difference():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9])
    assert delong(labels, scores, scores).p == 1
    assert delong(labels, np.array([0.1, 0.2, 0.8, 0.9]), np.full(4, 0.5)).p == 0


def test_paired_bootstrap_agrees_with_delong(simulated):
    first, second = (simulated(seed, images=600, images_each=1)[0] for seed in (1, 2))
    draws = draw_patients([first], 0, draws=4000)
    values = [bootstrap_values([one], draws, prevalence=0.1, names=["auc"])["auc"] for one in (first, second)]
    exact = delong(first.labels, first.scores, second.scores)
    found = paired_bootstrap(*values, *([metrics(one.labels, one.scores, 0.5)["auc"]] for one in (first, second)))
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=5e-4)
    assert found.p == pytest.approx(exact.p, abs=0.03)


def test_paired_bootstrap_without_variation():
    same = np.full(99, 0.5)
    assert paired_bootstrap(same, same, [0.5], [0.5]).p == 1
    assert paired_bootstrap(same + 0.4, same, [0.9], [0.5]).p == 1 / 100


def test_folds_that_disagree_widen_the_difference():
    """Differences 0.3 and 0.1: the variance of their mean is 0.01, and twice that for the overlap of two folds."""
    same = np.full(99, 0.5)
    found = paired_bootstrap(same + 0.2, same, [0.8, 0.6], [0.5, 0.5])
    assert (found.difference, found.high) == pytest.approx((0.2, 0.2 + 1.959964 * np.sqrt(0.02)))
    assert found.p == pytest.approx(0.1573, abs=1e-4)


def test_accuracy_is_the_sum_of_the_patients_shares(any_predictions):
    @given(any_predictions)
    def check(predictions):
        folds = {}
        for one in predictions:
            folds.setdefault(one.fold, []).append(metrics(one.labels, one.scores, one.threshold)["accuracy"])
        expected = np.mean([np.mean(fold) for fold in folds.values()])
        assert sum(patient_accuracy(predictions).values()) == pytest.approx(expected)

    check()


@settings(max_examples=20)
@given(st.lists(st.sampled_from([-0.25, -0.125, 0.0, 0.125, 0.5]), min_size=1, max_size=7))
def test_exchanging_patients_samples_all_exchanges(differences):
    signs = np.array(list(itertools.product((-1, 1), repeat=len(differences))))
    exact = np.mean(np.abs(signs @ differences) >= abs(sum(differences)) - 1e-9)
    found = exchange_patients(np.array([differences]), 0, draws=4000)[0]
    assert found == pytest.approx(exact, abs=0.04)
    assert found >= 1 / 4001


def test_with_one_image_per_patient_the_permutation_is_mcnemar(simulated):
    first, second = (simulated(seed, images=300, images_each=1, distance=2)[0] for seed in (1, 2))
    exact = mcnemar_exact(first.labels, first.scores >= first.threshold, second.scores >= second.threshold)
    assert permutation_accuracy([first], [second], 0) == pytest.approx(exact, abs=0.02)


def test_a_permutation_p_is_never_0_and_is_symmetric(simulated):
    good, bad = simulated(1, distance=6, folds=2), simulated(2, distance=0, folds=2, seeds=2)
    assert permutation_accuracy(good, bad, 0, draws=199) == 1 / 200
    assert permutation_accuracy(good, bad, 0, draws=199) == permutation_accuracy(bad, good, 0, draws=199)
    assert permutation_accuracy(bad, bad, 0, draws=199) == 1


def test_images_of_one_patient_are_exchanged_together(make_predictions):
    """The ten images of one patient are one observation."""
    good, bad = (
        make_predictions([1] * 10 + [0], [0.9] * 10 + [0.1], [0] * 10 + [1]),
        make_predictions([1] * 10 + [0], [0.1] * 11, [0] * 10 + [1]),
    )
    assert permutation_accuracy([good], [bad], 0) == 1


def test_several_images_per_patient_are_detected(make_predictions):
    assert one_image_per_patient([make_predictions([0, 1], [0.5, 0.5]), make_predictions([0, 1], [0.5, 0.5], fold=1)])
    assert not one_image_per_patient(
        [make_predictions([0, 1], [0.5, 0.5]), make_predictions([0, 1], [0.5, 0.5], [1, 1], fold=1)]
    )
