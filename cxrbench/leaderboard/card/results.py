"""The results of a model beside those of its row, the controls and external test sets; and its threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.recipe import unit_of
from cxrbench.evaluation.groups import LEAST_IMAGES, LEAST_OF_A_CLASS
from cxrbench.leaderboard.card.markdown import estimate, paragraph, table
from cxrbench.leaderboard.worst_group import BY_CHANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.entry import Confusion
    from cxrbench.leaderboard.store.model_record import ModelRecord

COMPARED = ("auc", "accuracy", "recall", "specificity", "precision", "f1")
"""Metrics of controls and external test sets; all metrics of the model itself are shown."""


def evaluation_section(record: ModelRecord) -> list[str]:
    """Return the results on test images, of the controls, and on external test sets."""
    return [
        *paragraph(_how_tested(record)),
        *table(("metric", *(["this model"] if record.metrics else []), "the row"), _metric_rows(record)),
        *(_confusion(record.confusion) if record.confusion else []),
        *(_groups(record) if record.groups else []),
        "### Controls",
        "",
        *_controls(record),
        "### External test sets",
        "",
        *_external(record),
    ]


def _how_tested(record: ModelRecord) -> str:
    positive, repeats = record.class_names.positive, record.protocol.folds * record.protocol.seeds
    several = f"the mean over {repeats} single {unit_of(record.stage)}s, each at its own threshold"
    row = f"The row is {f'one {unit_of(record.stage)}' if repeats == 1 else several}."
    if record.protocol.left_out:
        row += " Each fold is tested on the group that it has left out. A mean over groups has no interval."
    own = "" if record.metrics else " This model itself has no test images left."
    return (
        f"Positive class: {positive}. Values are from the test images, scored once after the selection was frozen, with 95 % "
        f"intervals.{own} {row} ppv and npv are for a prevalence of {record.protocol.prevalence:g}."
    )


def _metric_rows(record: ModelRecord) -> Iterator[tuple[str, ...]]:
    for name in record.entry_metrics:
        of_row = estimate(record.entry_metrics[name], record.entry_intervals.get(name))
        own = (estimate(record.metrics.get(name), record.intervals.get(name)),) if record.metrics else ()
        yield (name, *own, of_row)


def _confusion(counts: Confusion) -> list[str]:
    return [
        "Counts of this model on the test images, at its threshold:",
        "",
        *table(
            ("", "call positive", "call negative"),
            (("label positive", f"{counts.tp:,}", f"{counts.fn:,}"), ("label negative", f"{counts.fp:,}", f"{counts.tn:,}")),
        ),
    ]


def _groups(record: ModelRecord) -> list[str]:
    rows = (
        (
            one.name,
            f"{one.negative:,} + {one.positive:,}",
            *(estimate(one.metrics.get(name), one.intervals.get(name)) for name in COMPARED),
        )
        for one in record.groups
    )
    text = (
        f"Results of the row on groups of the test images. Images: negative + positive. Note that {BY_CHANCE}. Groups of fewer "
        f"than {LEAST_IMAGES} images, or of fewer than {LEAST_OF_A_CLASS} of a class, are not measured."
    )
    return ["### Groups", "", *paragraph(text), *table(("group", "images", *COMPARED), rows)]


def _controls(record: ModelRecord) -> list[str]:
    if not record.controls:
        return paragraph("None were run. Without controls nobody knows whether these images can be told apart by a shortcut.")
    rows = (
        (recipe, *(estimate(found.metrics.get(name), found.intervals.get(name)) for name in COMPARED))
        for recipe, found in record.controls.items()
    )
    text = (
        "A control sees no detail of a lung: only the border, the grey levels or a thumbnail of an image, or nothing at all. "
        "If a control does well, these images can be told apart by a shortcut, and this model may use it."
    )
    return [*paragraph(text), *table(("control", *COMPARED), rows)]


def _external(record: ModelRecord) -> list[str]:
    if not record.external:
        return paragraph("None were scored.")
    rows = (
        (
            name,
            result.dataset,
            f"{result.negative:,} + {result.positive:,}",
            *(estimate(result.metrics.get(metric), result.intervals.get(metric)) for metric in COMPARED),
        )
        for name, result in record.external.items()
    )
    single = f"single {unit_of(record.stage)}s"
    text = f"Results of the row, the mean over its {single} with their thresholds. Images: negative + positive."
    return [*paragraph(text), *table(("name", "dataset", "images", *COMPARED), rows)]


def threshold_section(record: ModelRecord) -> list[str]:
    """Return the threshold and the images that decided it."""
    return [
        *table(("", ""), _threshold_rows(record)),
        *(
            [
                "Metrics on the validation images that decided it. They are optimistic: the threshold was chosen on them.",
                "",
                *table(("metric", "validation"), ((name, estimate(value, None)) for name, value in record.validation.items())),
            ]
            if record.validation
            else []
        ),
    ]


def _threshold_rows(record: ModelRecord) -> Iterator[tuple[str, str]]:
    names = record.class_names
    yield "threshold", repr(record.threshold)
    yield "call", f"{names.positive} if the score is at or above it, else {names.negative}"
    yield "rule", record.threshold_rule
    if validation := record.images.get("validation"):
        yield (
            "images that decided it",
            f"{validation.negative:,} {names.negative} and {validation.positive:,} {names.positive} of "
            f"{validation.patients:,} patients",
        )
