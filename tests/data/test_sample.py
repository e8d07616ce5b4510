"""A sample of test images has whole patients of both classes, as many in every fold as its share."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.data.sample import LEAST_OF_A_CLASS, SAMPLE, sampled


@pytest.fixture
def make(dataset_of):
    """Return a function that makes images of patients with one to three each, of so many positives in a thousand."""

    def build(images, positives):
        generator = np.random.default_rng(1)
        patients = np.repeat(np.arange(images), generator.integers(1, 4, images))[:images]
        labels = generator.random(images)[patients] < positives / 1000
        return dataset_of([(int(label), f"p{patient}", "") for label, patient in zip(labels, patients, strict=True)])

    return build


@pytest.mark.parametrize("positives", [730, 100])
def test_a_sample_has_whole_patients_of_both_classes(make, positives):
    dataset = make(5000, positives)
    half = int(np.searchsorted(dataset.groups, dataset.groups[2500]))
    tests = [np.arange(half), np.arange(half, 5000)]
    found = sampled(dataset, tests, seed=7)
    assert sum(map(len, found)) == pytest.approx(SAMPLE, rel=0.1)
    for sample, test in zip(found, tests, strict=True):
        others = np.setdiff1d(test, sample)
        assert set(sample) <= set(test)
        assert not set(dataset.patients[sample]) & set(dataset.patients[others])
        assert dataset.labels[sample].mean() == pytest.approx(dataset.labels[test].mean(), abs=0.02)
    again, other = (np.concatenate(sampled(dataset, tests, seed)) for seed in (7, 8))
    assert np.array_equal(again, np.concatenate(found))
    assert not np.array_equal(other, again)


def test_a_rare_class_is_not_lost(make):
    dataset = make(20_000, 8)
    (sample,) = sampled(dataset, [np.arange(20_000)], seed=0)
    assert dataset.labels[sample].sum() == pytest.approx(LEAST_OF_A_CLASS, abs=5)


def test_few_images_are_all_taken(make):
    dataset = make(500, 500)
    (sample,) = sampled(dataset, [np.arange(100, 500)], seed=0)
    assert np.array_equal(sample, np.arange(100, 500))
