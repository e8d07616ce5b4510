from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from cxrbench.execution.failures import NotFinite, failure_kind
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.models.training.frozen import score_images
from cxrbench.models.training.rows import TrainingRows
from cxrbench.models.training.trainer import TrainingFailed, fit_head, head_logits, sigmoid
from cxrbench.plugin.contracts import CrossEntropy, Focal

pytestmark = pytest.mark.usefixtures("tensorflow_ready")

PARAMS = {"learning_rate": 3e-3, "dropout": 0.3}


@pytest.fixture
def make_rows(store):
    """Return 200 training rows with few features, some labels flipped, and 60 clean validation rows."""
    generator = np.random.default_rng(2)
    features = generator.normal(size=(260, 6)).astype(np.float32)
    truth = (features[:, 0] + 0.5 * generator.normal(size=260) > 0).astype(np.int64)

    def make(*, noise=0.0, scale=1.0, loss=None):
        flipped = np.random.default_rng(3).random(200) < noise
        rows = TrainingRows(
            views=(store(features * np.float32(scale)),),
            rows=np.arange(200),
            synthetic=np.empty((0, 6), dtype=np.float32),
            labels=np.where(flipped, 1 - truth[:200], truth[:200]).astype(np.float32),
            weights=np.ones(200, dtype=np.float32),
            loss=loss or CrossEntropy(),
        )
        return rows, (np.arange(200, 260), truth[200:])

    return make


def fit(rows, validation, *, epochs=10, patience=3, learning_rate=1e-3, dropout=0.0, seed=5):
    configuration = TrainingConfiguration(epochs=epochs, batch_size=32, patience=patience)
    return fit_head(rows, validation, configuration, learning_rate=learning_rate, dropout=dropout, seed=seed)


def cross_entropy(labels, scores):
    return -np.mean(np.log(np.where(labels == 1, scores, 1 - scores)))


def test_a_head_learns(make_rows):
    rows, validation = make_rows()
    found = fit(rows, validation, epochs=15, patience=15)
    assert found.losses[-1] < 0.6 * np.log(2)
    assert np.mean((found.scores > 0.5) == validation[1]) > 0.8


def test_the_best_epoch_is_kept(make_rows):
    rows, validation = make_rows(noise=0.4)
    found = fit(rows, validation, epochs=12, patience=12, learning_rate=3e-3)
    assert len(found.losses) == 12
    assert 0 < found.best_epoch < 11
    assert found.best_epoch == np.argmin(found.losses)
    assert cross_entropy(validation[1], found.scores) == pytest.approx(found.losses[found.best_epoch], abs=1e-9)
    logits = head_logits(found.head, rows.views[0], validation[0])
    assert sigmoid(logits).tobytes() == found.scores.tobytes()
    shorter = fit(rows, validation, epochs=found.best_epoch + 1, patience=12, learning_rate=3e-3)
    assert shorter.losses == found.losses[: found.best_epoch + 1]
    assert shorter.scores.tobytes() == found.scores.tobytes()


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_training_stops_when_the_loss_no_longer_improves(make_rows, patience):
    rows, validation = make_rows(noise=1.0)
    found = fit(rows, validation, epochs=20, patience=patience)
    assert found.best_epoch == 0
    assert len(found.losses) == patience + 1
    assert list(found.losses) == sorted(found.losses)


def test_patience_counts_from_the_best_epoch_on(make_rows):
    rows, validation = make_rows(noise=0.4)
    found = fit(rows, validation, epochs=60, patience=3, learning_rate=3e-3)
    assert len(found.losses) == found.best_epoch + 4 < 60
    assert min(found.losses[found.best_epoch + 1 :]) >= found.losses[found.best_epoch]


def test_the_validation_loss_is_the_plain_cross_entropy(make_rows):
    rows, validation = make_rows(loss=Focal(gamma=2.0))
    found = fit(rows, validation)
    assert cross_entropy(validation[1], found.scores) == pytest.approx(found.losses[found.best_epoch], abs=1e-9)


@pytest.mark.parametrize("learning_rate", [1e3, 1e15, 1e30])
@pytest.mark.parametrize("scale", [1.0, 1e12])
def test_a_divergent_trial_fails_or_is_finite(make_rows, learning_rate, scale):
    rows, validation = make_rows(scale=scale)
    with suppress(TrainingFailed):
        found = fit(rows, validation, epochs=4, learning_rate=learning_rate)
        assert np.isfinite(found.losses).all()
        assert np.isfinite(found.scores).all()
        assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_features_that_overflow_fail_the_trial(make_rows):
    rows, validation = make_rows(scale=1e37)
    with pytest.raises(TrainingFailed, match=r"validation loss was .* after the first epoch \(learning rate 10\)") as caught:
        fit(rows, validation, learning_rate=10.0)
    assert failure_kind(caught.value) == "nan"


def test_divergence_after_a_finite_epoch_keeps_that_epoch(make_rows):
    rows, validation = make_rows(scale=1e6)
    found = fit(rows, validation, epochs=8, patience=8, learning_rate=1e13)
    assert 1 <= len(found.losses) < 8
    assert np.isfinite(found.scores).all()
    again = fit(rows, validation, epochs=found.best_epoch + 1, learning_rate=1e13)
    assert again.scores.tobytes() == found.scores.tobytes()


def test_a_score_that_is_not_finite_is_a_failure(make_job, store):
    job = make_job()
    head = job.freeze(0, PARAMS)
    features = job.views[0].gather(np.array([60, 50, 70])).copy()
    features[1] = [np.inf, -np.inf, np.inf, -np.inf]
    with pytest.raises(NotFinite, match="scores of 1 of 3 images are not finite"):
        score_images([head.scorer], store(features), np.arange(3))


def test_a_divergent_trial_does_not_affect_the_next_one(make_rows):
    rows, validation = make_rows()
    expected = fit(rows, validation).scores
    for learning_rate in (1e30, 1e3):
        with suppress(TrainingFailed):
            fit(rows, validation, learning_rate=learning_rate)
    assert fit(rows, validation).scores.tobytes() == expected.tobytes()


def test_confident_logits_become_scores_without_ties():
    logits = np.array([-1000.0, -745.0, -100.0, -20.0, 0.0, 20.0, 30.0, 1000.0])
    scores = sigmoid(logits)
    assert scores[4] == 0.5
    assert scores[0] == 0
    assert scores[-1] == 1
    assert (np.diff(scores[1:]) > 0).all()


@pytest.mark.parametrize("imbalance", ["none", "focal", "class-weights", "random-oversample", "smote:k_neighbors=3"])
def test_a_frozen_head_repeats_its_trial_exactly(make_job, imbalance):
    job = make_job(imbalance, views=2)
    first = job.train_trial(4, PARAMS)
    job.train_trial(5, {"learning_rate": 1e-2, "dropout": 0.6})
    head = job.freeze(4, {**PARAMS, "threshold": 0.3})
    assert head.scores.tobytes() == first.scores.tobytes()
    assert (first.scores.shape, first.scores.dtype) == ((1, 30), np.float64)
    scores = score_images([head.scorer], job.views[0], np.array([79, 50, 51]))
    np.testing.assert_allclose(scores, first.scores[0, [29, 0, 1]], atol=1e-6)


def test_a_frozen_head_scores_equally_after_other_trainings(make_job):
    job = make_job(views=2)
    head = job.freeze(0, PARAMS)
    weights = [array.copy() for array in head.scorer.weights]
    before = score_images([head.scorer], job.views[0], np.arange(80))
    make_job("focal").freeze(3, {"learning_rate": 1e-2, "dropout": 0.0})
    assert score_images([head.scorer], job.views[0], np.arange(80)).tobytes() == before.tobytes()
    assert all(array.tobytes() == copy.tobytes() for array, copy in zip(head.scorer.weights, weights, strict=True))


def test_a_frozen_head_scores_the_images_of_any_view(make_job, store):
    job = make_job()
    head = job.freeze(0, PARAMS)
    elsewhere = store(job.views[0].gather(np.array([60, 50, 70])))
    of_elsewhere = score_images([head.scorer], elsewhere, np.array([0, 1, 2]))
    assert of_elsewhere.tobytes() == score_images([head.scorer], job.views[0], np.array([60, 50, 70])).tobytes()


def test_repeats_differ_in_the_head_and_each_repeats_itself(make_job):
    job = make_job("smote:k_neighbors=3")
    repeats = [job.freeze(2, PARAMS, repeat).scores.tobytes() for repeat in range(3)]
    assert len(set(repeats)) == 3
    assert repeats == [job.freeze(2, PARAMS, repeat).scores.tobytes() for repeat in range(3)]


def test_the_kept_epoch_scores_each_version_of_validation(make_job, store):
    job = make_job()
    plain, rows = job.train_trial(0, PARAMS), np.array([*range(29, -1, -1)])
    shifted = store(job.views[0].gather(job.validation[0][::-1]) + np.float32(0.5))  # a view of these images alone
    job = replace(job, shifted=((shifted, rows), (job.views[0], job.validation[0])))
    found, head = job.train_trial(0, PARAMS), job.freeze(0, PARAMS)
    assert (found.losses, found.scores.shape) == (plain.losses, (3, 30))
    assert found.scores[0].tobytes() == found.scores[2].tobytes() == plain.scores[0].tobytes()
    assert found.scores[1].tobytes() == score_images([head.scorer], shifted, rows).tobytes()
    assert head.scores.tobytes() == found.scores.tobytes()
    assert not np.allclose(found.scores[1], found.scores[0])


def test_trials_of_one_study_differ_by_their_number(make_job):
    job = make_job()
    assert job.train_trial(0, PARAMS).scores.tobytes() != job.train_trial(1, PARAMS).scores.tobytes()


def test_validation_is_scored_on_the_clean_view(make_job):
    job = make_job(views=2)
    params = {"learning_rate": 1e-5, "dropout": 0.0}
    found = job.train_trial(0, params)
    head = job.freeze(0, params)
    assert score_images([head.scorer], job.views[0], job.validation[0]).tobytes() == found.scores.tobytes()
    assert score_images([head.scorer], job.views[1], job.validation[0]).tobytes() != found.scores.tobytes()
