"""Mean curves have the areas of the metrics, with few vertices; bands and bins agree with other ways to compute them."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from cxrbench.evaluation.calibration_bins import calibration_bins, histogram
from cxrbench.evaluation.curve_bands import GRID, curve_bands, on_grid
from cxrbench.evaluation.mean_curves import MOST_VERTICES, mean_precision_recall, mean_roc
from cxrbench.evaluation.predictions import Predictions


def scored(images, folds=1, seeds=1, decimals=12):
    """Return noisy scores of all folds and seeds; fewer decimals make more ties."""
    for fold in range(folds):
        for seed in range(seeds):
            labels = (np.random.default_rng([fold]).random(images) < 0.4).astype(np.int64)
            noise = np.random.default_rng([fold, seed]).normal(size=images)
            yield Predictions(
                subset="test",
                fold=fold,
                seed=seed,
                keys=np.array([f"{fold}-{number}" for number in range(images)]),
                patients=np.array([f"{fold}-{number // 2}" for number in range(images)]),
                labels=labels,
                scores=np.round(1 / (1 + np.exp(-1.5 * (labels - 0.5) - noise)), decimals),
                threshold=0.5,
            )


def heads(*given, **named):
    return list(scored(*given, **named))


SHAPES = [(60, 1, 1, 12), (60, 3, 2, 1), (5000, 1, 1, 12), (3000, 3, 2, 2), (25_000, 1, 2, 12)]


@pytest.mark.parametrize("shape", SHAPES)
def test_areas_are_those_of_scikit_learn(shape):
    predictions = heads(*shape)
    roc, steps = mean_roc(predictions), mean_precision_recall(predictions)
    auc = np.mean([roc_auc_score(one.labels, one.scores) for one in predictions])
    precision = np.mean([average_precision_score(one.labels, one.scores) for one in predictions])
    assert roc.area == pytest.approx(auc, abs=1e-9)
    assert steps.area == pytest.approx(precision, abs=1e-9)
    for curve in (roc, steps):
        assert len(curve.x) <= MOST_VERTICES
        assert (curve.x[0], curve.x[-1]) == (0, 1)
        assert (np.diff(curve.x) >= 0).all()
        assert (curve.y >= 0).all()
        assert (curve.y <= 1 + 1e-12).all()


@pytest.mark.parametrize("decimals", [12, 1])
def test_one_head_has_its_own_curve(decimals):
    (head,) = heads(80, decimals=decimals)
    x, y, _ = roc_curve(head.labels, head.scores, drop_intermediate=False)
    curve = mean_roc([head])
    assert np.interp(GRID + 1e-9, curve.x, curve.y) == pytest.approx(np.interp(GRID + 1e-9, x, y))


def test_thinned_curves_stay_near_the_whole_one():
    (head,) = heads(20_000)
    x, y, _ = roc_curve(head.labels, head.scores, drop_intermediate=False)
    curve = mean_roc([head])
    assert np.abs(np.interp(GRID, curve.x, curve.y) - np.interp(GRID, x, y)).max() < 0.01


def test_grid_values_are_those_of_the_curves():
    (head,) = heads(500)
    sensitivity, precision = on_grid([head])
    x, y, _ = roc_curve(head.labels, head.scores)
    assert sensitivity == pytest.approx(np.interp(GRID + 1e-9, x, y), abs=1e-6)
    found, reached, _ = precision_recall_curve(head.labels, head.scores)
    highest = [found[reached >= recall - 1e-9][-1] for recall in GRID[1:]]
    assert precision[1:] == pytest.approx(highest)


def test_bands_hold_the_curve_and_narrow_with_more_patients():
    few, many = heads(60, folds=2), heads(600, folds=2)
    widths = []
    for predictions in (few, many):
        values, bands = on_grid(predictions), curve_bands(predictions, seed=0)
        for value, band in zip(values, bands, strict=True):
            inside = (band.low <= value + 1e-9) & (value <= band.high + 1e-9)
            assert inside[3:-3].all()
        widths.append(float((bands[0].high - bands[0].low).mean()))
    assert widths[1] < widths[0] / 2
    assert curve_bands(few, seed=0)[0].low.tolist() == curve_bands(few, seed=0)[0].low.tolist()


def test_calibration_bins_share_all_images():
    predictions = heads(200, folds=2, seeds=3)
    bins = calibration_bins(predictions)
    assert len(bins) == 10
    assert sum(one.images for one in bins) == pytest.approx(400)
    observed = sum(one.images * one.observed for one in bins)
    assert observed == pytest.approx(sum(one.labels.sum() for one in predictions) / 3)
    assert all(one.low <= one.observed <= one.high for one in bins)
    assert [one.predicted for one in bins] == sorted(one.predicted for one in bins)


def test_equal_scores_share_a_bin():
    (head,) = heads(100)
    same = Predictions(**{name: getattr(head, name) for name in head.__slots__} | {"scores": np.full(100, 0.25)})
    (only,) = calibration_bins([same])
    assert (only.images, only.predicted) == (100, 0.25)
    negative, positive = histogram([same])
    assert (negative[5], positive[5]) == ((same.labels == 0).sum(), (same.labels == 1).sum())
