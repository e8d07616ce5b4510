"""Seeds: pinned, because another seed would be another result under the same identity."""

from __future__ import annotations

import itertools

from cxrbench.config.seeds import (
    augmentation_seed,
    backbone_seed,
    imbalance_seed,
    split_seed,
    study_seed,
    training_seed,
)
from cxrbench.storage.files import seed_from


def test_seeds_are_those_of_the_first_release():
    assert split_seed(0, "test") == seed_from(0, "test")
    assert split_seed(0, "validation", 5, 1) == seed_from(0, "validation", 5, 1)
    assert backbone_seed(0, "") == seed_from(0, "backbone")
    assert augmentation_seed(0, 1, 2) == seed_from(0, 1, 2)
    assert study_seed(0, "a+b+c", 0) == seed_from(0, "a+b+c")
    assert study_seed(0, "a+b+c", 1) == seed_from(0, "a+b+c", 1)
    assert imbalance_seed(7) == seed_from(7, "imbalance")
    assert (training_seed(7, 3), training_seed(7, 3, 1)) == (seed_from(7, 3), seed_from(7, 3, 1))


def test_a_weights_file_makes_features_independent_of_the_seed():
    assert {backbone_seed(seed, "digest") for seed in range(5)} == {0}
    assert len({backbone_seed(seed, "") for seed in range(5)}) == 5


def test_every_study_trial_and_shard_has_its_own_seed():
    numbers = list(itertools.product(range(3), range(5)))
    assert len({augmentation_seed(0, view, shard) for view, shard in numbers}) == len(numbers)
    assert len({study_seed(seed, "a+b+c", fold) for seed, fold in numbers}) == len(numbers)
    assert len({training_seed(1, trial, repeat) for repeat, trial in numbers}) == len(numbers)
