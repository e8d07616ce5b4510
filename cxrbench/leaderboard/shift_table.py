"""An entry's results on shifted test images, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.leaderboard.store.shift_result import Loss, ShiftResult, ShiftScore

SHIFT_HEADINGS = (
    "shift",
    "unit",
    "auc",
    "accuracy",
    "at its best threshold",
    "recall",
    "specificity",
    "Brier",
    "slope",
    "notes",
)


def shift_rows(entry: Entry, result: ShiftResult) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row: the images as they are, each shift at each strength, and the mean of the standard ones.

    Accuracy, recall and specificity are at the frozen thresholds. What the best threshold on the shifted images would reach,
    and the calibration, tell how much of a loss is the threshold's; none of it is ever ranked.
    """
    yield ("none", "", *_metrics(entry.metrics, None), "")
    for score in result.scores:
        yield (score.name, score.unit, *_metrics(score.metrics, score.loss), _notes(entry, score))
    if result.metrics:
        yield ("mean of the standard ones", "", *_metrics(result.metrics, None), f"worst: {result.worst}")


def _metrics(metrics: dict[str, float], loss: Loss | None) -> tuple[str, ...]:
    shown = {name: f"{metrics[name]:.3f}" if name in metrics else "-" for name in ("auc", "accuracy", "recall", "specificity")}
    best, slope = (f"{loss.best_accuracy:.3f}", loss.slope) if loss else ("", None)
    brier = f"{metrics['brier']:.3f}" if "brier" in metrics else "-"
    calibration = "" if slope is None else f"{slope:.2f}"
    return (shown["auc"], shown["accuracy"], best, shown["recall"], shown["specificity"], brier, calibration)


def _notes(entry: Entry, score: ShiftScore) -> str:
    notes = [score.problem] if score.problem else []
    notes += ["standard"] if score.standard else []
    folds = entry.dataset.folds if entry.dataset else ()
    tested = sum(fold.test_negative + fold.test_positive for fold in folds)
    notes += [f"a sample of {score.images:,} images"] if score.images and score.images < tested else []
    notes += ["for development"] if score.role == "development" else []
    notes += ["covered by the augmentation"] if score.covered else []
    return ", ".join(notes)
