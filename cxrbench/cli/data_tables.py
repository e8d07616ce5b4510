"""The tables of `cxrbench data inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.overview import Cell, Range

SHOWN_CELLS = 40
UNKNOWN = "unknown"


def print_composition(dataset: LoadedDataset) -> None:
    """Print the images of each class by split, view and sex, as far as any of these is known."""
    from cxrbench.cli import console
    from cxrbench.data.overview import composition

    cells = composition(dataset.records)
    columns = [name for name in ("split", "view", "sex") if any(getattr(cell, name) for cell in cells)]
    rows = [(*_values(cell, columns), *_counts(cell.negatives, cell.positives, cell.patients)) for cell in cells]
    if len(rows) > 1:
        negatives, positives = sum(cell.negatives for cell in cells), sum(cell.positives for cell in cells)
        patients = len({record.patient for record in dataset.records})
        total = ("all", *[""] * (len(columns) - 1), *_counts(negatives, positives, patients))
        rows = [*rows[:SHOWN_CELLS], total]
    console.print_table((*(f"source's {name}" if name == "split" else name for name in columns), *_headings(dataset)), rows)
    if len(cells) > SHOWN_CELLS:
        console.print_message(
            f"the first {SHOWN_CELLS} of {len(cells):,} rows are shown: {', '.join(columns)} have many values"
        )


def print_ages(dataset: LoadedDataset) -> None:
    """Print the ages of each class, if any is known."""
    from cxrbench.cli import console
    from cxrbench.data.overview import ages_by_label

    ages = ages_by_label(dataset.records)
    if any(one.middle is not None for one in ages):
        rows = [(name, *_numbers(one), f"{one.unknown:,}") for name, one in zip(_classes(dataset), ages, strict=True)]
        console.print_table(("age in years", "min", "median", "max", UNKNOWN), rows)


def print_sizes(dataset: LoadedDataset) -> None:
    """Print the width and the height of each class, if the images were opened."""
    from cxrbench.cli import console
    from cxrbench.data.overview import sizes_by_label

    if dataset.files:
        widths, heights = (sizes_by_label(dataset.records, dataset.files, side) for side in ("width", "height"))
        sides = zip(_classes(dataset), widths, heights, strict=True)
        rows = [(name, *_numbers(width), *_numbers(height)) for name, width, height in sides]
        headings = ("pixels", "width: min", "median", "max", "height: min", "median", "max")
        console.print_table(headings, rows)


def _classes(dataset: LoadedDataset) -> tuple[str, str]:
    return dataset.class_names.negative, dataset.class_names.positive


def _headings(dataset: LoadedDataset) -> tuple[str, ...]:
    return "images", *_classes(dataset), "patients"


def _values(cell: Cell, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(as_line(getattr(cell, name)) or UNKNOWN for name in columns)


def _counts(negatives: int, positives: int, patients: int) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in (negatives + positives, negatives, positives, patients))


def _numbers(one: Range) -> tuple[str, ...]:
    return tuple("" if value is None else f"{round(value, 1):g}" for value in (one.least, one.middle, one.most))
