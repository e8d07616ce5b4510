"""Learning curves of frozen heads."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.models.training.curves import CurveRecorder, Curves
from cxrbench.models.training.head import head_for
from cxrbench.plugin.contracts import CrossEntropy

PARAMS = {"learning_rate": 0.003, "dropout": 0.3}


def test_curves_have_a_value_of_each_epoch(make_job):
    curves = make_job(epochs=4).freeze(0, PARAMS).curves
    for values in (curves.train_loss, curves.train_accuracy, curves.validation_loss, curves.validation_accuracy):
        assert len(values) == 4
    assert curves.train_loss[-1] < curves.train_loss[0]
    assert all(0 <= value <= 1 for value in (*curves.train_accuracy, *curves.validation_accuracy))


def test_the_validation_curve_is_that_of_the_trial(make_job):
    job = make_job(epochs=4)
    assert job.freeze(0, PARAMS).curves.validation_loss == job.train_trial(0, PARAMS).losses


@pytest.mark.parametrize("imbalance", ["none", "smote"])
def test_recording_changes_neither_scores_nor_curves(make_job, imbalance):
    job = make_job(imbalance, views=2)
    first, trial, second = job.freeze(0, PARAMS), job.train_trial(0, PARAMS), job.freeze(0, PARAMS)
    assert np.array_equal(first.scores, trial.scores)
    assert first.curves == second.curves


def test_accuracy_is_that_of_the_scores_at_one_half(make_job):
    job = make_job(epochs=1)
    head = job.freeze(0, PARAMS)
    assert head.curves.validation_accuracy == (np.mean((head.scores >= 0.5) == (job.validation[1] == 1)),)


def test_an_epoch_that_diverged_is_left_out(make_job):
    recorder = CurveRecorder(job=make_job())
    recorder.after_epoch(head_for(4, CrossEntropy(), 16), np.full(30, np.nan))
    assert recorder.curves == Curves()
