"""The seal on the test images: one selection for each fold and seed, written down before they are scored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.test_lock import SealBroken, SealedTest, Seals

RECIPE = "texture+none+none"


@pytest.fixture
def sealed(tmp_path):
    return SealedTest(seals=Seals(folder=tmp_path / "seals"), rows=(np.array([1, 4, 7]), np.array([2, 5])))


def test_a_selection_gets_the_test_images_of_its_fold_and_the_same_one_may_come_again(sealed):
    for _ in range(3):
        assert sealed.open(RECIPE, 0, 0, "one").tolist() == [1, 4, 7]
        assert sealed.open(RECIPE, 1, 0, "two").tolist() == [2, 5]


def test_another_selection_is_an_error_that_says_why_and_what_to_do(sealed):
    sealed.open(RECIPE, 0, 1, "one")
    with pytest.raises(SealBroken) as caught:
        sealed.open(RECIPE, 0, 1, "other")
    assert "the test images (fold 0, seed 1) were scored by another selection of this recipe before" in str(caught.value)
    for remedy in ("--out", "--seed", "remove this protocol's folder"):
        assert remedy in str(caught.value)
    assert isinstance(caught.value, CxrbenchError)
    assert sealed.open(RECIPE, 0, 1, "one").tolist() == [1, 4, 7]


def test_each_fold_seed_and_recipe_has_a_seal_of_its_own(sealed):
    for recipe in (RECIPE, "vgg16+none+none"):
        for fold in range(2):
            for seed in range(2):
                sealed.open(recipe, fold, seed, f"{recipe} {fold} {seed}")
    with pytest.raises(SealBroken, match="fold 1, seed 0"):
        sealed.open(RECIPE, 1, 0, f"{RECIPE} 0 1")


def test_the_seal_outlives_the_process(sealed, tmp_path):
    sealed.open(RECIPE, 0, 0, "one")
    later = SealedTest(seals=Seals(folder=tmp_path / "seals"), rows=sealed.rows)
    assert later.seals.is_open(RECIPE)
    assert not later.seals.is_open("vgg16+none+none")
    with pytest.raises(SealBroken):
        later.open(RECIPE, 0, 0, "other")


def test_what_opened_a_seal_can_be_read_by_people(sealed, tmp_path):
    sealed.open(RECIPE, 0, 0, "one")
    sealed.open(RECIPE, 1, 2, "two")
    with pytest.raises(SealBroken):
        sealed.open(RECIPE, 0, 0, "other")
    content = json.loads((tmp_path / "seals" / f"{RECIPE}.json").read_text(encoding="utf-8"))
    assert content == {"schema_version": 1, "opened_by": {"fold 0, seed 0": "one", "fold 1, seed 2": "two"}}


def test_a_seal_that_cannot_be_written_whole_stays_as_it_was_and_yields_no_images(sealed, tmp_path):
    sealed.open(RECIPE, 0, 0, "one")
    before = (tmp_path / "seals" / f"{RECIPE}.json").read_bytes()
    with pytest.raises(UnicodeEncodeError):  # fails in the middle of the write
        sealed.open(RECIPE, 1, 0, "\ud800")
    assert {file.name: file.read_bytes() for file in (tmp_path / "seals").iterdir()} == {f"{RECIPE}.json": before}
    assert sealed.open(RECIPE, 1, 0, "two").tolist() == [2, 5]


def test_test_images_are_not_told_by_the_way(sealed):
    assert "array" not in repr(sealed)
