from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from cxrbench.errors import DataError
from cxrbench.evaluation.paired_tests import permutation_accuracy
from cxrbench.evaluation.ranking import resample, standings


def ranked(entries, metric="auc", seed=0):
    return standings(entries, resample(entries, {metric, "auc"}, seed=seed, prevalence=0.1), metric=metric, seed=seed)


@pytest.fixture(scope="module")
def entries(simulated):
    """Return five ever worse classifiers of the same images, and one that ignores them."""
    found = {f"at-{distance}": simulated(distance, distance=4 - distance / 2) for distance in range(5)}
    return {**found, "blind": simulated(9, distance=0)}


@pytest.mark.parametrize("metric", ["auc", "accuracy", "f1", "pr-auc", "brier", "ece"])
def test_ranks_are_those_of_the_headline(entries, metric):
    found, resampled = ranked(entries, metric), resample(entries, {metric}, seed=0, prevalence=0.1)
    values = {name: point[metric] for name, point in resampled.points.items()}
    ordered = sorted(entries, key=lambda name: values[name], reverse=metric not in {"brier", "ece"})
    for place, name in enumerate(ordered, start=1):
        assert found[name].rank == place
        assert found[name].rank_low <= place <= found[name].rank_high
    leader = found[ordered[0]]
    assert (leader.tied, leader.p_auc, leader.p_accuracy) == (True, 1, 1)
    assert sum(standing.p_first for standing in found.values()) == pytest.approx(1)


def test_entries_that_tie_within_a_draw_split_it(entries):
    values = resample(entries, {"accuracy", "auc"}, seed=0, prevalence=0.1).values
    table = np.round([values[name]["accuracy"] for name in entries], 12)
    first = rankdata(-table, method="min", axis=0) == 1
    assert any(first.sum(axis=0) > 1), "no draw has a tie"
    shares = [found.p_first for found in ranked(entries, "accuracy").values()]
    assert shares == pytest.approx((first / first.sum(axis=0)).mean(axis=1))


def test_a_blind_classifier_differs_from_the_leader(entries):
    for metric in ("auc", "accuracy", "brier"):
        blind = ranked(entries, metric)["blind"]
        assert not blind.tied
        assert blind.p_auc < 1e-6
        assert blind.p_accuracy < 0.01
        assert (blind.rank_low, blind.rank_high, blind.p_first) == (6, 6, 0)


def test_equal_entries_share_rank_and_interval(entries):
    found = ranked({"first": entries["at-0"], "twin": entries["at-0"], "blind": entries["blind"]})
    assert found["first"] == found["twin"]
    assert (found["twin"].rank, found["twin"].rank_low, found["twin"].rank_high) == (1, 1, 2)
    assert (found["twin"].p_first, found["twin"].tied, found["twin"].p_auc) == (0.5, True, 1)
    assert found["blind"].rank == 3


def test_standings_do_not_depend_on_the_order_of_the_entries(entries):
    assert ranked(dict(reversed(entries.items()))) == ranked(entries)


def test_one_entry_is_first_and_no_entries_have_no_standings(entries):
    (found,) = ranked({"only": entries["blind"]}).values()
    assert (found.rank, found.rank_low, found.rank_high, found.p_first, found.tied) == (1, 1, 1, 1, True)
    assert ranked({}) == {}


def test_the_permutation_decides_for_accuracy(entries):
    """With two entries Holm corrects nothing, so that the p-values are the tests' own."""
    two = {"good": entries["at-0"], "worse": entries["at-3"]}
    found = ranked(two, "accuracy", seed=3)["worse"]
    assert found.p_accuracy == permutation_accuracy(two["worse"], two["good"], 3)
    assert found.tied == (found.p_accuracy >= 0.05)


def test_a_hundred_rivals_do_not_hide_a_clear_difference(simulated):
    blind = {f"blind-{number}": simulated(number, distance=0, images=90) for number in range(119)}
    found = ranked({"best": simulated(0, distance=5, images=90), **blind}, "accuracy")
    assert all(found[name].p_auc < 0.05 and not found[name].tied for name in blind)


def test_folds_and_seeds_are_ranked_too(simulated):
    entries = {name: simulated(name, distance=4 - name, folds=3, seeds=2, images=300) for name in range(3)}
    found = ranked(entries, "accuracy")
    assert [standing.rank for standing in found.values()] == [1, 2, 3]
    assert not found[2].tied


def test_folds_that_disagree_widen_the_rank_intervals(make_predictions):
    """The second entry is right on one fold of two and wrong on the other, so other training images may change all."""
    labels, rising = [0, 1] * 20, [0.2, 0.8] * 20
    steady = [make_predictions(labels, [0.2, 0.8, 0.3, 0.1] * 10, fold=fold) for fold in range(2)]
    erratic = [make_predictions(labels, scores, fold=fold) for fold, scores in enumerate([rising, rising[::-1]])]
    found = ranked({"steady": steady, "erratic": erratic}, "accuracy")
    assert found["steady"].p_first == 1
    assert (found["steady"].rank_low, found["steady"].rank_high) == (1, 2)


def test_an_entry_of_different_images_is_refused_by_name(entries, simulated, make_predictions):
    with pytest.raises(
        DataError, match=r"odd: fold 0, seed 0: scored on different images; it cannot be ranked with the others"
    ):
        ranked({**entries, "odd": [make_predictions([0, 1], [0.5, 0.6])]})
    with pytest.raises(DataError, match=r"odd: scored on folds \[0, 1\], expected \[0\]"):
        ranked({**entries, "odd": simulated(1, folds=2)})


@settings(max_examples=25)
@given(st.integers(0, 99), st.lists(st.floats(0, 4), min_size=1, max_size=5), st.sampled_from(["auc", "accuracy", "ece"]))
def test_a_rank_is_in_its_interval_and_p_first_is_a_probability(simulated, seed, distances, metric):
    entries = {number: simulated(seed + number, distance=distance, images=40) for number, distance in enumerate(distances)}
    found = ranked(entries, metric, seed)
    assert min(standing.rank for standing in found.values()) == 1
    assert sum(standing.p_first for standing in found.values()) == pytest.approx(1)
    for standing in found.values():
        assert 1 <= standing.rank_low <= standing.rank <= standing.rank_high <= len(entries)
