"""Predictions as lines of CSV and of JSON."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from cxrbench.storage.safe_text import as_cell, as_json_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cxrbench.benchmark.model.predict import Prediction
    from cxrbench.benchmark.model.prevalence import PredictiveValues

COLUMNS = ("path", "score", "call", "threshold", "warning")
VALUE_COLUMNS = ("ppv", "npv")


def csv_header(values: PredictiveValues | None) -> str:
    """Return the names of the columns as a line of CSV."""
    return _csv_line([*COLUMNS, *(VALUE_COLUMNS if values else ())])


def csv_line(prediction: Prediction, values: PredictiveValues | None) -> str:
    """Return a prediction as a line of CSV. What it lacks is empty."""
    warnings = [f"not scored: {prediction.reason}"] if prediction.reason else prediction.warnings
    return _csv_line(
        [
            as_cell(prediction.name),
            prediction.score,
            as_cell(prediction.call),
            prediction.threshold,
            as_cell("; ".join(warnings)),
            *_of_the_call(prediction, values).values(),
        ]
    )


def json_line(prediction: Prediction, values: PredictiveValues | None) -> str:
    """Return a prediction as a line of JSON. What it lacks is null."""
    content = {
        "path": prediction.name,
        "score": prediction.score,
        "call": prediction.call or None,
        "threshold": prediction.threshold,
        "warnings": prediction.warnings,
        "part": prediction.part,
        "reason": prediction.reason or None,
        **_of_the_call(prediction, values),
    }
    return f"{as_json_line(content)}\n"


def _of_the_call(prediction: Prediction, values: PredictiveValues | None) -> dict[str, float | None]:
    """Return the predictive value of the call; the other one, and both without a score, are None."""
    if values is None:
        return {}
    is_scored, is_positive = prediction.score is not None, prediction.is_positive
    found = (values.ppv if is_positive else None, values.npv if is_scored and not is_positive else None)
    return dict(zip(VALUE_COLUMNS, found, strict=True))


def _csv_line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
