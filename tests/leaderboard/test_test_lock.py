"""The test-set lock: one selection for each fold and seed, recorded before the test images are scored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.test_lock import LockedTestSet, TestSetLock, TestSetLocked

RECIPE = "texture+none+none"


@pytest.fixture
def locked_images(tmp_path):
    return LockedTestSet(lock=TestSetLock(folder=tmp_path), rows=(np.array([1, 4, 7]), np.array([2, 5])))


def test_a_selection_gets_the_images_of_its_fold_every_time(locked_images):
    for _ in range(3):
        assert locked_images.open(RECIPE, 0, 0, "one").tolist() == [1, 4, 7]
        assert locked_images.open(RECIPE, 1, 0, "two").tolist() == [2, 5]


def test_another_selection_is_an_error_that_says_what_to_do(locked_images):
    locked_images.open(RECIPE, 0, 1, "one")
    with pytest.raises(TestSetLocked) as caught:
        locked_images.open(RECIPE, 0, 1, "other")
    assert "the test images (fold 0, seed 1) were scored by another selection of this recipe before" in str(caught.value)
    for remedy in ("undo the change", "cxrbench run --fresh", "--out", "--seed", "remove this protocol's folder"):
        assert remedy in str(caught.value)
    assert isinstance(caught.value, CxrbenchError)
    assert locked_images.open(RECIPE, 0, 1, "one").tolist() == [1, 4, 7]


def test_each_fold_seed_and_recipe_is_locked_by_itself(locked_images):
    for recipe in (RECIPE, "vgg16+none+none"):
        for fold in range(2):
            for seed in range(2):
                locked_images.open(recipe, fold, seed, f"{recipe} {fold} {seed}")
    with pytest.raises(TestSetLocked, match="fold 1, seed 0"):
        locked_images.open(RECIPE, 1, 0, f"{RECIPE} 0 1")


def test_the_lock_outlives_the_process(locked_images, tmp_path):
    locked_images.open(RECIPE, 0, 0, "one")
    later = LockedTestSet(lock=TestSetLock(folder=tmp_path), rows=locked_images.rows)
    assert later.lock.is_recorded(RECIPE)
    assert not later.lock.is_recorded("vgg16+none+none")
    with pytest.raises(TestSetLocked):
        later.open(RECIPE, 0, 0, "other")


def test_people_can_read_what_has_scored_the_test_images(locked_images, tmp_path):
    locked_images.open(RECIPE, 0, 0, "one")
    locked_images.open(RECIPE, 1, 2, "two")
    with pytest.raises(TestSetLocked):
        locked_images.open(RECIPE, 0, 0, "other")
    content = json.loads((tmp_path / "test_lock" / f"{RECIPE}.json").read_text(encoding="utf-8"))
    assert content == {"schema_version": 2, "scored_by": {"fold 0, seed 0": "one", "fold 1, seed 2": "two"}}


def test_a_record_of_version_1_still_locks_the_test_images(locked_images, tmp_path):
    (tmp_path / "seals").mkdir()
    old = {"schema_version": 1, "opened_by": {"fold 0, seed 0": "one"}}
    (tmp_path / "seals" / f"{RECIPE}.json").write_text(json.dumps(old), encoding="utf-8")
    with pytest.raises(TestSetLocked):
        locked_images.open(RECIPE, 0, 0, "other")
    locked_images.open(RECIPE, 1, 0, "two")
    content = json.loads((tmp_path / "test_lock" / f"{RECIPE}.json").read_text(encoding="utf-8"))
    assert content["scored_by"] == {"fold 0, seed 0": "one", "fold 1, seed 0": "two"}
    with pytest.raises(TestSetLocked):
        locked_images.open(RECIPE, 0, 0, "other")


def test_an_unwritable_record_yields_no_images(locked_images, tmp_path):
    locked_images.open(RECIPE, 0, 0, "one")
    before = (tmp_path / "test_lock" / f"{RECIPE}.json").read_bytes()
    with pytest.raises(ValueError, match="unicode"):
        locked_images.open(RECIPE, 1, 0, "\ud800")
    files = {file.name: file.read_bytes() for file in (tmp_path / "test_lock").iterdir()}
    assert files == {f"{RECIPE}.json": before}
    assert locked_images.open(RECIPE, 1, 0, "two").tolist() == [2, 5]


def test_the_test_images_are_not_in_the_repr(locked_images):
    assert "array" not in repr(locked_images)
