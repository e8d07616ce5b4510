from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.evaluation.rank_intervals import difference_variances, rank_intervals

VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def ranks(values, error):
    """Return (best, worst) of each entry if every difference has the same standard error."""
    best, worst = rank_intervals(np.array(values), np.full((len(values), len(values)), error**2))
    return list(zip(best.tolist(), worst.tolist(), strict=True))


def test_clearly_different_entries_have_one_rank_each():
    assert ranks([0.9, 0.7, 0.8], 0.01) == [(1, 1), (3, 3), (2, 2)]


def test_equal_entries_have_the_whole_range():
    assert ranks([0.9] * 4, 0.01) == [(1, 4)] * 4
    assert ranks([0.9] * 4, 0.0) == [(1, 4)] * 4


def test_without_variation_any_difference_counts():
    assert ranks([0.9, 0.9, 0.8], 0.0) == [(1, 2), (1, 2), (3, 3)]


def test_differences_of_one_entry_are_corrected_by_holm():
    """z of 2.1 (p .036) is significant alone, but not as one of two; with z of 4.2 beside it, Holm tests it at 5 % again."""
    assert ranks([0.021, 0.0], 0.01) == [(1, 1), (2, 2)]
    assert ranks([0.021, 0.0, 0.0], 0.01) == [(1, 3), (1, 3), (1, 3)]
    assert ranks([0.042, 0.021, 0.0], 0.01) == [(1, 1), (1, 3), (3, 3)]


@given(VALUES, st.floats(0, 0.5))
def test_an_interval_contains_the_observed_rank(values, error):
    for value, (best, worst) in zip(values, ranks(values, error), strict=True):
        assert 1 <= best <= 1 + sum(other > value for other in values)
        assert sum(other >= value for other in values) <= worst <= len(values)


@given(VALUES)
def test_a_larger_error_never_narrows_an_interval(values):
    for (best, worst), (wider_best, wider_worst) in zip(ranks(values, 0.05), ranks(values, 0.1), strict=True):
        assert wider_best <= best
        assert worst <= wider_worst


def test_the_variance_is_that_of_differences_within_draws():
    """Draws of the two entries move together, so their difference varies less than each of them."""
    draws = np.array([[0.7, 0.8, 0.9], [0.6, 0.7, 0.95]])
    found = difference_variances(draws, np.array([[0.8], [0.75]]))
    assert found == pytest.approx(np.array([[0, 0.0075], [0.0075, 0]]))


def test_the_variance_between_folds_counts_where_it_is_larger():
    """Differences of the two folds: 0.1 and -0.1; variance 0.02, of their mean 0.01, and twice that for the overlap."""
    found = difference_variances(np.array([[0.8, 0.8], [0.8, 0.8]]), np.array([[0.9, 0.7], [0.8, 0.8]]))
    assert found == pytest.approx(np.array([[0, 0.02], [0.02, 0]]))
